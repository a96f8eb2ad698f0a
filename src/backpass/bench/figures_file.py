"""The file that `--json` names: refused before anything is measured, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backpass.files.model import write_whole


def prepare(path: Path | None) -> None:
    """Make the folder, so that minutes of measuring do not end in a file that cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)


def write(path: Path | None, figures: dict[str, Any]) -> None:
    if path is not None:
        write_whole(path, (json.dumps(figures, indent=1) + "\n").encode())
