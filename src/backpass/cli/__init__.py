"""The command line: one file per command.

Exit codes: 0; 1 for what went wrong while running, told in one line on stderr; 2 for wrong usage.
"""

from __future__ import annotations

import sys
import warnings
from typing import NoReturn

INTERRUPTED = 130  # what typer makes of Ctrl-C


def main() -> None:
    """The `backpass` command."""
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:  # what libraries warn of is no message to who uses a command
                warnings.simplefilter("ignore")
            from backpass.cli.app import app

            app()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("backpass"):
            raise
        fail(f'the command line needs {error.name}: pip install "backpass[cli]"')
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        raise SystemExit(1) from None
    except (ValueError, TypeError, ArithmeticError, OSError) as error:
        fail(" ".join(str(error).split()))
    except KeyboardInterrupt:  # before typer takes care of it
        fail("interrupted")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            fail("interrupted")
        raise


def fail(line: str) -> NoReturn:
    print(f"backpass: {line}", file=sys.stderr)
    raise SystemExit(1) from None
