"""What the tests of the commands share."""

import json
from pathlib import Path

QUICK = ("--epochs", 2)


def record_of(run):
    return json.loads((Path(run) / "run.json").read_text(encoding="utf-8"))
