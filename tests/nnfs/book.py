"""Run the book's programs with their own classes and with those of backpass.nnfs, and compare what they print.

    python tests/nnfs/book.py FOLDER [NAME ...]

FOLDER holds the programs (*.py), which are not in this repository, and their data. In a copy of each, the classes that
backpass.nnfs has are cut out and `from backpass.nnfs import *` is put in their place; nothing else is touched. Both run
in processes of their own, and in folders of their own, which keep what one program saves for the next. The PyPI package
`nnfs` has to be importable, as the programs ask. What is compiled is
compiled before the clock runs.

A program is good if its first lines are equal and its last accuracy is that of the book's classes within 0.02, or lies
between those of the book's classes with the seeds 0 to 4: a Model whose steps the engine makes ends with figures of its
own, since rounding decides where the training of these programs goes.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import backpass
from backpass import nnfs

FIRST_LINES, TOLERANCE, SEEDS = 10, 0.02, 5
COMPILE = """
from backpass.engine.kernels.compiler import ALL
import backpass.nnfs
for kernel in ALL:
    kernel.address("float32")
"""


def with_ours(source: str) -> str:
    """The program without the classes that backpass.nnfs has."""
    lines = source.splitlines()
    cut = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name in vars(nnfs)]
    if not cut:
        return source
    scale = re.search(r"([\d.]+) \* np\.random\.randn", "\n".join(lines))
    line = "from backpass.nnfs import *"
    if scale and float(scale[1]) != 0.01:
        line += f"; init(weight_scale={scale[1]})"
    for node in reversed(cut):
        lines[node.lineno - 1 : node.end_lineno] = [line] if node is cut[0] else []
    return "\n".join(lines) + "\n"


def work_folder(folder: Path, name: str, into: Path) -> Path:
    """A place to run in: the data's folders are linked, its files copied, for programs overwrite files."""
    place = into / name
    place.mkdir()
    for entry in folder.iterdir():
        if entry.is_dir():
            (place / entry.name).symlink_to(entry.resolve())
        elif entry.suffix != ".py":
            shutil.copy(entry, place)
    return place


def run(source: str, folder: Path, python: str) -> tuple[list[str], float, str]:
    """Printed lines, seconds, and the last line of what went wrong."""
    file = folder / "program.py"
    file.write_text(source)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    path = [str(Path(backpass.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    start = time.perf_counter()
    finished = subprocess.run(
        [python, file.name], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    wrong = (finished.stderr.strip() or "no word").splitlines()[-1] if finished.returncode else ""
    return finished.stdout.splitlines(), seconds, wrong


def accuracy(lines: list[str]) -> float | None:
    found = [match[1] for line in lines if (match := re.search(r"acc: ([\d.]+)", line))]
    return float(found[-1]) if found else None


def compare(theirs: list[str], ours: list[str]) -> tuple[int, bool, float | None]:
    """How many lines from the first on are equal, whether all are, and how far the last accuracies are apart."""
    same = 0
    while same < min(len(theirs), len(ours)) and theirs[same] == ours[same]:
        same += 1
    ends = accuracy(theirs), accuracy(ours)
    apart = None if None in ends else abs(ends[0] - ends[1])  # type: ignore[operator]
    return same, theirs == ours, apart


def spread(source: str, folder: Path, python: str) -> list[float]:
    """The last accuracies of the book's classes with the seeds 0 to 4, in order."""
    seeded = [source.replace("nnfs.init()", f"nnfs.init(random_seed={seed})") for seed in range(SEEDS)]
    ends = [accuracy(run(each, folder, python)[0]) for each in seeded]
    return sorted(end for end in ends if end is not None)


def same_figures(file: Path, places: list[Path], python: str) -> bool:
    """Run a program both ways and print its line of the table."""
    source = file.read_text()
    theirs, seconds, wrong = run(source, places[0], python)
    run(COMPILE, places[1], python)
    ours, our_seconds, our_wrong = run(with_ours(source), places[1], python)
    same, alike, apart = compare(theirs, ours)
    end = accuracy(ours)
    ends = " / ".join("-" if each is None else f"{each:.3f}" for each in (accuracy(theirs), end))
    good = not wrong and not our_wrong and same >= min(len(theirs), FIRST_LINES)
    if apart is not None and end is not None and apart > TOLERANCE:
        low, *_, high = spread(source, places[0], python)
        ends += f" (seeds: {low:.3f} to {high:.3f})"
        good &= low <= end <= high
    times = f"{seconds:.1f} / {our_seconds:.1f} | {seconds / our_seconds:.1f}"
    print(f"| {file.stem} | {len(theirs)} | {'all' if alike else same} | {ends} | {times} |", flush=True)
    if not good:
        print(f"{file.name}: {wrong or our_wrong or 'figures differ'}", file=sys.stderr)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the programs are")
    parser.add_argument("names", nargs="*", help="of programs; all where none is given")
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter, which needs what the programs import"
    )
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*.py"))
    files = [file for file in files if not arguments.names or file.stem in arguments.names]
    print("| program | lines | first lines equal | end accuracy, book / ours | seconds, book / ours | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        places = [work_folder(arguments.folder, name, Path(scratch)) for name in ("theirs", "ours")]
        failures = [file.name for file in files if not same_figures(file, places, arguments.python)]
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
