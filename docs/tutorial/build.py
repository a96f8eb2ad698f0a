"""Makes the tutorial's notebooks: one source a chapter, executed once, written in both languages.

    .venv/bin/python docs/tutorial/build.py [beginning of a chapter's name ...]

A Markdown cell of a source carries lang="en" or lang="zh"; code has no language, so it cannot differ between the two.
"""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
SOURCES = sorted((HERE / "source").glob("*.py"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CHINESE = r"[　-〿一-鿿＀-￯“”‘’…—]"  # characters that take no space between them


def without_breaks(text: str) -> str:
    """Chinese lines joined to paragraphs: elsewhere a line break is a space, which Chinese does not have."""
    parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
    for i in range(0, len(parts), 2):  # the rest is code
        parts[i] = re.sub(rf"(?<={CHINESE})\n[ ]*(?={CHINESE})", "", parts[i])
        parts[i] = re.sub(r"(?<=[，。；：、？！）”])\n[ ]*(?=[^\s<#*-])|(?<=\S)\n[ ]*(?=[（“])", "", parts[i])
    return "".join(parts)


def notebooks(source: Path) -> dict[str, nbformat.NotebookNode]:
    """The chapter in each language, not executed."""
    made = {}
    whole = jupytext.read(source)
    for language in LANGUAGES:
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
        for cell in whole.cells:
            if cell.metadata.get("lang", language) != language:
                continue
            cell = copy.deepcopy(cell)
            cell.id = f"cell-{len(notebook.cells) + 1}"  # random ones would change with every build
            cell.metadata = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
            if cell.cell_type == "markdown" and language == "zh":
                cell.source = without_breaks(cell.source)
            notebook.cells.append(cell)
        made[language] = notebook
    return made


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells, in the folder where the notebook lies; raises at the first that fails."""
    folder = str(HERE / LANGUAGES[0])
    resources = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=60, resources=resources, record_timing=False, coalesce_streams=True).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # stderr says that kernels are being compiled, the first time on a machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("data", {}).pop("text/plain", None)  # "<Figure size 648x324 with 2 Axes>"
                output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})


def with_outputs_of(executed: nbformat.NotebookNode, other: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The other language of an executed notebook: the code is the same, so the outputs are."""
    ran = [cell for cell in executed.cells if cell.cell_type == "code"]
    for cell, source in zip([cell for cell in other.cells if cell.cell_type == "code"], ran, strict=True):
        assert cell.source == source.source
        cell.outputs, cell.execution_count = source.outputs, source.execution_count
    return other


def written(source: Path, language: str) -> Path:
    return HERE / language / f"{source.stem}.ipynb"


def build(source: Path) -> None:
    made = notebooks(source)
    execute(made["en"])
    with_outputs_of(made["en"], made["zh"])
    for language, notebook in made.items():
        written(source, language).parent.mkdir(exist_ok=True)
        nbformat.write(notebook, written(source, language))
        print(written(source, language).relative_to(HERE), f"{written(source, language).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    for each in SOURCES:
        if each.name.startswith(tuple(sys.argv[1:])) or not sys.argv[1:]:
            build(each)
