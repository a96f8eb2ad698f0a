"""The command line: one file per command.

Exit codes: 0; 1 for what went wrong while running, told in one line on stderr; 2 for wrong usage.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The `backpass` command."""
    try:
        from backpass.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("backpass"):
            raise
        print(f'backpass: the command line needs {error.name}: pip install "backpass[cli]"', file=sys.stderr)
        raise SystemExit(1) from None
    try:
        app()
    except (ValueError, TypeError, ArithmeticError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as head, has seen enough
            sys.stderr.close()
        else:
            print(f"backpass: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("backpass: interrupted", file=sys.stderr)
        raise SystemExit(1) from None
