"""The tutorial's notebooks are executed: their asserts hold, and the numbers readers see are those of a fresh run."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
specification = importlib.util.spec_from_file_location("tutorial", ROOT / "docs" / "tutorial" / "build.py")
build = importlib.util.module_from_spec(specification)
specification.loader.exec_module(build)

each_chapter = pytest.mark.parametrize("source", build.SOURCES, ids=lambda source: source.stem)
each_language = pytest.mark.parametrize("language", build.LANGUAGES)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b|\binf\b")


def committed(source, language):
    return nbformat.read(build.written(source, language), as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without_outputs(notebook):
    return [(cell.id, cell.cell_type, cell.metadata, cell.source) for cell in notebook.cells]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def same_number(one, other):
    """Whole numbers exactly, others to one unit of the last printed digit: another machine may round the other way."""
    if "." not in one + other:
        return one.lstrip("+") == other.lstrip("+")
    digits = [text.lower().partition("e") for text in (one, other)]
    exponent = max(int(power or 0) for _, _, power in digits)
    decimals = max(len(number.partition(".")[2]) for number, _, _ in digits)
    return abs(float(one) - float(other)) <= 1.001 * 10.0 ** (exponent - decimals)


def same_text(one, other):
    """The same words, and numbers that are the same to the printed digits; spaces do not count."""
    words = [["".join(part.split()) for part in NUMBER.split(text)] for text in (one, other)]
    numbers = [NUMBER.findall(text) for text in (one, other)]
    return words[0] == words[1] and all(map(same_number, *numbers))


@each_chapter
def test_a_fresh_run_prints_the_numbers_that_are_committed(source):
    fresh = build.notebooks(source)["en"]
    build.execute(fresh)
    for language in build.LANGUAGES:
        for ran, kept in zip(code_cells(fresh), code_cells(committed(source, language)), strict=True):
            assert pictures(ran) == pictures(kept)
            if "timing" not in ran.metadata.get("tags", ()):
                assert same_text(printed(ran), printed(kept)), f"{printed(ran)}\nis committed as\n{printed(kept)}"


@each_chapter
@each_language
def test_the_committed_notebooks_are_what_their_sources_say(source, language):
    made = build.notebooks(source)[language]
    assert without_outputs(committed(source, language)) == without_outputs(made), "run docs/tutorial/build.py"


def test_numbers_are_compared_to_the_last_printed_digit():
    assert same_text("loss [ 0.44 -0.38]\n", "loss [0.44 -0.38]")
    assert same_text("0.4400 inf nan 3.2e-05 -0.", "0.4401 inf nan 3.3e-05 0.")
    for one, other in (
        ("0.4400", "0.4402"),
        ("0.44", "0.46"),
        ("0.44", "-0.44"),
        ("3.2e-05", "3.2e-04"),
        ("(2, 3)", "(3, 2)"),
        ("class 1", "class 2"),
        ("inf", "nan"),
        ("1.5", "nan"),
        ("1.5 2.5", "1.5"),
        ("loss 1.5", "accuracy 1.5"),
    ):
        assert not same_text(one, other), (one, other)


def test_both_languages_tell_the_same_in_their_own_words():
    for source in build.SOURCES:
        english, chinese = (build.notebooks(source)[language].cells for language in build.LANGUAGES)
        for one, other in zip(english, chinese, strict=True):
            assert one.cell_type == other.cell_type
            if one.cell_type == "markdown":
                assert not re.search(build.CHINESE, one.source.replace("“", "").replace("”", ""))
                assert re.search(build.CHINESE, other.source)
                for mark in ("```", "<details>", "**", "]("):
                    assert one.source.count(mark) == other.source.count(mark), (source.name, mark, one.source)


def test_every_chapter_shows_its_subject():
    shown = {source.stem[0]: sum(map(pictures, code_cells(committed(source, "en")))) for source in build.SOURCES}
    assert len(shown) == 6
    assert all(shown.values())
    size = sum(build.written(source, language).stat().st_size for source in build.SOURCES for language in ("en", "zh"))
    assert size < 2_000_000


def test_every_file_that_a_chapter_links_to_is_there():
    for source in build.SOURCES:
        for language in build.LANGUAGES:
            for cell in committed(source, language).cells:
                if cell.cell_type == "markdown":
                    for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                        assert (build.HERE / language / target).exists(), f"{source.name} links to {target}"


def test_the_contents_name_every_chapter_in_both_languages():
    contents = (build.HERE / "README.md").read_text(encoding="utf-8")
    for source in build.SOURCES:
        for language in build.LANGUAGES:
            title = committed(source, language).cells[0].source.splitlines()[0].partition(". ")[2]
            assert f"[{title}]({language}/{source.stem}.ipynb)" in contents
