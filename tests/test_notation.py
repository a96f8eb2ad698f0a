"""docs/notation.md names every array that a kernel may ask for, with the shape and dtype that the compiler gives it."""

import inspect
import re
from pathlib import Path

import pytest

import backpass as bp
from backpass.engine.kernels.compiler import FLOWING, KINDS
from backpass.layers.layer import LAYERS
from backpass.losses.loss import LOSSES
from backpass.optimizers.optimizer import COMMON, OPTIMIZERS
from tests.parts import ours

TEXT = (Path(__file__).parents[1] / "docs" / "notation.md").read_text(encoding="utf-8")
SYMBOLS = sorted({*FLOWING, *KINDS})


def rows():
    """Cells of every row that has a shape and a dtype, by each symbol in its first cell."""
    found = {}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 6:
            for symbol in re.findall(r"`(\w+)`", cells[0]):
                assert symbol not in found, f"{symbol} has two rows"
                found[symbol] = cells
    return found


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_array_of_the_kernels_has_its_row(symbol):
    assert symbol in rows(), f"docs/notation.md has no row for `{symbol}`"
    _, chinese, shape, dtype, meaning, elsewhere = rows()[symbol]
    dimensions, fixed, per_sample = KINDS[symbol]
    assert re.search("[一-鿿]", chinese)
    assert meaning
    assert elsewhere
    assert len([size for size in shape.strip("()").split(",") if size]) == dimensions
    assert shape.startswith("(N") == per_sample
    assert dtype == (fixed or "real")


def test_the_words_of_the_field_have_a_chinese_term_beside_them():
    for symbol in (
        "weights",
        "dweights",
        "biases",
        "dbiases",
        "logits",
        "probabilities",
        "learning_rate",
        "batch_size",
    ):
        assert re.search("[一-鿿]", rows()[symbol][1])
    for size in "NDMCP":
        assert re.search(rf"^\| {size} \| [一-鿿]", TEXT, re.MULTILINE)


def words(part):
    """What a part is made with, and what of it changes without a gradient."""
    arguments = inspect.signature(part.__init__).parameters.values()
    named = [each.name for each in arguments if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    return [*named[1:], *getattr(part, "state_names", ())]


SCHEDULES = [
    getattr(bp, name) for name in ("Cosine", "ExponentialDecay", "InverseDecay", "OneCycle", "StepDecay", "Warmup")
]
PARTS = [*ours(LAYERS.values()), *ours(LOSSES.values()), *ours(OPTIMIZERS.values()), *SCHEDULES, bp.ReduceOnPlateau]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_everything_that_a_part_is_made_with_has_its_row(part):
    assert set(words(part)) | set(COMMON) <= rows().keys()
