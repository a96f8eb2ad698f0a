"""Run tests/nnfs/programs.py with the book's own classes and keep what they print in figures.json.

    python tests/nnfs/store_figures.py FOLDER

FOLDER holds the book's programs as ch16.py, ch17.py, ch18.py and ch20.py, which are not in this repository; the PyPI
package `nnfs` has to be importable. Each chapter's classes run in a process of their own: `nnfs.init` changes NumPy.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.nnfs import programs  # noqa: E402


def classes_of(file: Path) -> dict[str, object]:
    tree = ast.parse(file.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.Import | ast.ImportFrom)]
    tree.body = [node for node in tree.body if "cv2" not in ast.unparse(node)]
    space: dict[str, object] = {}
    exec(compile(tree, str(file), "exec"), space)
    return space


def figures_of(chapter: str, folder: Path) -> dict[str, list[str]]:
    import nnfs  # type: ignore[import-not-found]
    from nnfs import datasets  # type: ignore[import-not-found]

    space = {**classes_of(folder / f"{chapter}.py"), **vars(datasets)}
    nnfs.init()
    figures = {}
    for program in programs.CHAPTERS[chapter]:
        import numpy as np

        np.random.seed(0)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            program(programs.namespace(space))
        figures[program.__name__] = printed.getvalue().splitlines()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chapter", choices=programs.CHAPTERS, help="print this chapter's figures only")
    arguments = parser.parse_args()
    if arguments.chapter:
        print(json.dumps(figures_of(arguments.chapter, arguments.folder)))
        return
    figures: dict[str, list[str]] = {}
    for chapter in programs.CHAPTERS:
        command = [sys.executable, __file__, str(arguments.folder), "--chapter", chapter]
        figures |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
