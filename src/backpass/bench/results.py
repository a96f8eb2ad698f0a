"""What is kept of runs: one JSON file, written after every case, so that a run that is cut off has not been in vain."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backpass.bench.cases import CASES
from backpass.files.model import write_whole

PACKAGES = ("numpy", "scipy", "numba", "torch", "jax", "scikit-learn", "tinygrad")
SAME = ("processor", "cores", "python", "versions")  # figures stand side by side only if these are equal


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    models = [line for line in processor_lines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit(),
    }


def commit() -> str | None:
    """Of the sources, and whether they were changed since; None where there is no Git."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        here = Path(__file__).parents[1]
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)

    name = git("rev-parse", "--short", "HEAD").stdout.strip()
    changed = name and git("diff", "--quiet", "HEAD", "--", ".").returncode
    return f"{name}, changed" if changed else name or None


def processor_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def kept(file: Path, machine: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Cases that the file holds, if they belong beside what this machine will measure; else none, and why."""
    if not file.exists():
        return {}, ""
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
        cases, was = earlier["cases"], earlier["machine"]
        changed = [name for name in SAME if was[name] != machine[name]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} holds no results of `bench train`; name another file, or remove it") from None
    if changed:
        return {}, f"{file} starts anew: it was measured with another {' and other '.join(changed)}"
    return cases, ""


def prepare(file: Path | None) -> None:
    """Make the folder, so that minutes of measuring do not end in a file that cannot be written."""
    if file is None:
        return
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder; name a file")
    file.parent.mkdir(parents=True, exist_ok=True)


def write(file: Path | None, figures: dict[str, Any]) -> None:
    """Replace the file in one step: at no time is there half of one."""
    if file is not None:
        write_whole(file, (json.dumps(figures, indent=1) + "\n").encode())


def keep(file: Path, results: dict[str, Any]) -> None:
    """Write the cases in their order."""
    write(file, {**results, "cases": {name: results["cases"][name] for name in CASES if name in results["cases"]}})
