import io
import os
import re
import string
import subprocess
import sys

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from backpass import Dense, SoftmaxCrossentropy
from backpass.cli import tour_stops
from backpass.cli.app import app
from backpass.cli.tour import walk
from backpass.cli.tour_page import Page, compare, wrap
from backpass.cli.tour_text import LANGUAGES, TEXT

NOTEBOOK_CODE = ("softmax_loss", "activation1", "loss_activation", "Layer_Dense", "nnfs")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def written(lang="en", width=80):
    """What the tour writes, and the page it wrote on."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    page = Page(console, lang)
    walk(page)
    return console.file.getvalue(), page


@pytest.fixture(scope="module")
def english():
    return written("en")


@pytest.fixture(scope="module")
def chinese():
    return written("zh")


def after(text, start, label="backpass"):
    """The numbers next to a label in the first block whose formula starts so."""
    block = text[text.index(f"  {start}") :]
    block = block[block.index(f"    {label} ") :].split("\n\n")[0]
    lines = [line[16:] for line in block.splitlines()]
    end = next((i for i in range(1, len(lines)) if block.splitlines()[i][4] != " "), len(lines))
    return np.array([float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", " ".join(lines[:end]))])


def test_stops_come_in_the_notebooks_order(english):
    cells = [int(cell) for cell in re.findall(r"\d+/10 · .* · cell (\d+) ", english[0])]
    assert cells == [2, 3, 4, 5, 6, 7, 29, 30, 33, 35]


def test_single_gradient_is_shown_as_the_notebook_prints_it(english):
    first = english[0].index("dinputs = dvalues @ weights.T")
    for label in ("backpass", "notebook"):
        assert after(english[0][first - 2 :], "dinputs =", label).tolist() == [0.44, -0.38, -0.07, 1.37]


def test_both_batch_dinputs_are_shown(english):
    batch = english[0][english[0].index("2/10") :]
    assert after(batch, "dinputs =").tolist() == [
        *(0.44, -0.38, -0.07, 1.37),
        *(0.88, -0.76, -0.14, 2.74),
        *(1.32, -1.14, -0.21, 4.11),
    ]
    assert after(batch, "dinputs =", "notebook").tolist() == [0.42] * 3 + [-1.83] * 3 + [0.53] * 3 + [2.61] * 3
    assert after(batch, "weights @ dvalues", "wrong axis").tolist() == after(batch, "dinputs =", "notebook").tolist()
    assert "not aligned" in batch


@pytest.mark.parametrize("lang", LANGUAGES)
def test_all_that_the_notebook_printed_agrees_but_the_dinputs_of_cell_3(lang, request):
    _, page = request.getfixturevalue({"en": "english", "zh": "chinese"}[lang])
    assert len(page.agreements) == 11
    (wrong,) = [name for name, agrees in page.agreements if not agrees]
    assert "dinputs" in wrong
    assert "3" in wrong


def test_agreement_is_computed(monkeypatch):
    def shifted(self, dvalues):
        dinputs = np.ones((len(dvalues), self.n_inputs))
        self.dweights[...], self.dbiases[...] = 1, 1
        return dinputs

    monkeypatch.setattr(Dense, "backward", shifted)
    text, page = written()
    assert sum(agrees for _, agrees in page.agreements) == 3  # the forward pass: probabilities, loss, accuracy
    assert "3 agree with" in " ".join(text.split())


def test_numbers_are_computed_not_written(monkeypatch):
    monkeypatch.setattr(tour_stops, "WEIGHTS", 2 * tour_stops.WEIGHTS)
    text, _ = written()
    assert after(text, "dinputs = dvalues").tolist() == [0.88, -0.76, -0.14, 2.74]
    assert "= 0.88" in text


def test_soft_labels_agree_with_nudging_and_the_argmax_does_not(english):
    text = english[0][english[0].index("Soft labels") : english[0].index("Large logits")]
    ours, argmax = re.findall(r"difference .*: (agrees|does not agree)", text)
    assert (ours, argmax) == ("agrees", "does not agree")
    assert after(text, "dinputs =").tolist() == [0.1, -0.2, 0.1]


def test_separate_route_breaks_down_where_the_combined_is_right(english):
    text = english[0][english[0].index("Large logits") :]
    assert re.search(r"separate +inf", text)
    assert re.search(r"separate +\[\[nan nan nan\]\]", text)
    assert after(text, "log sum_k").tolist() == [800]
    assert after(text, "dinputs =").tolist() == [-1, 1, 0]


def test_a_broken_combined_step_is_seen(monkeypatch):
    right = SoftmaxCrossentropy.backward
    monkeypatch.setattr(SoftmaxCrossentropy, "backward", lambda self, *arguments: -right(self, *arguments))
    text, page = written()
    step = text[text.index("8/10") : text.index("Soft labels")]
    assert "does not agree" in step
    assert [agrees for name, agrees in page.agreements if "dense" in name] == [False] * 4


def test_timing_is_live(english):
    row = english[0][english[0].index("10/10") :]
    combined, separate = (re.search(rf"│ {name} +│ +([\d.]+) │ +([\d.]+) │", row) for name in ("combined", "separate"))
    assert all(float(figure) > 0 for figure in (*combined.groups(), *separate.groups()))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_line_is_wider_than_the_terminal(lang, width):
    text, _ = written(lang, width)
    assert [line for line in text.splitlines() if cell_len(line) > width] == []


def test_chinese_prose_is_chinese(chinese):
    prose = [line for line in chinese[0].splitlines() if re.match(r"  \S", line) and CHINESE.search(line)]
    assert len(prose) > 60
    for english_word in (" the ", " agree", "difference", "notebook"):
        assert english_word not in chinese[0]


def test_both_languages_show_the_same_formulas_and_figures(english, chinese):
    def figures(text):
        body = text[: text.index("10/10")]
        return re.findall(r"^ {4}.*? (\[.*\]|[\d.]+)$|^  (\S.*)$(?=\n {4}\S)", body, re.MULTILINE)

    assert figures(english[0]) == figures(chinese[0])
    assert len(figures(english[0])) > 50


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXT)
def test_every_text_has_the_same_figures_and_code_in_both_languages(key):
    en, zh = TEXT[key]
    assert fields(en) == fields(zh)
    assert sorted(re.findall(r"`[^`]+`", en)) == sorted(re.findall(r"`[^`]+`", zh))


def test_nothing_is_written_in_the_notebooks_words(english, chinese):
    for text, _ in (english, chinese):
        assert not [word for word in NOTEBOOK_CODE if word in text]


def test_chinese_lines_do_not_begin_with_closing_punctuation():
    text = "，".join(["前向时记住输入"] * 20) + "。（`dvalues @ weights.T` 是一个词）"
    for width in range(12, 60):
        lines = wrap(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert not [line for line in lines if line[:1] in "，。）" or line[-1:] == "（"]


def test_code_is_not_broken_between_lines():
    for width in range(26, 60):
        assert any(
            "`dvalues @ weights.T`" in line for line in wrap("the product `dvalues @ weights.T`, as ever", width)
        )


def test_lines_are_filled_as_far_as_they_go():
    assert wrap("one two three four", 9) == ["one two", "three", "four"]
    assert wrap("一二三四五", 4) == ["一二", "三四", "五"]


def test_compare_wants_equal_shapes_and_small_differences():
    ones = np.ones((2, 2))
    assert compare(ones, ones + 1e-13, 1e-12, False)[0]
    assert not compare(ones, ones + 1e-11, 1e-12, False)[0]
    assert not compare(ones * np.nan, ones, 1e-12, False)[0]
    assert compare(ones, np.ones((2, 3)), 1e-12, False) == (False, None)
    assert compare(1000 * ones, 1000 * ones + 1, 0.01, False)[0]
    assert not compare(1000 * ones, 1000 * ones + 1, 0.01, True)[0]


@pytest.mark.parametrize(("lang", "word"), [("en", "What agreed"), ("zh", "对账")])
def test_command_takes_the_language(lang, word):
    result = CliRunner().invoke(app, ["tour", "--lang", lang])
    assert result.exit_code == 0
    assert word in result.stdout


def test_an_unknown_language_is_wrong_usage():
    result = CliRunner().invoke(app, ["tour", "--lang", "fr"])
    assert result.exit_code == 2
    assert "fr" in result.stderr


def test_pause_waits_after_each_stop_and_goes_on_without_a_keyboard():
    result = CliRunner().invoke(app, ["tour", "--pause"], input="\n\n\n")
    assert result.exit_code == 0
    assert result.stdout.count("Enter to go on") == 4  # the fourth finds the end of the input
    assert "10/10" in result.stdout


def test_piped_output_is_plain_and_80_columns_wide():
    command = [sys.executable, "-c", "from backpass.cli import main; main()", "tour", "--lang", "zh"]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "TERM")}
    done = subprocess.run(command, capture_output=True, env={**environment, "PYTHONUTF8": "1"}, check=True)
    text = done.stdout.decode()
    assert "\x1b" not in text
    assert max(cell_len(line) for line in text.splitlines()) <= 80
