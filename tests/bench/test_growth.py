"""`backpass bench growth`: a cliff is found where it is, and the picture shows what was measured."""

import json

import pytest

from backpass.bench import growth
from backpass.cli import growth_picture


def test_a_straight_line_on_logarithmic_axes_is_on_its_trend():
    ratios = growth.off_trend({size: 3.0 * size**2 for size in (1, 2, 4, 8)})
    assert ratios == pytest.approx({2: 1.0, 4: 1.0})


@pytest.mark.parametrize(
    ("times", "size", "ratio"),
    [
        ({1: 1.0, 2: 2.0, 4: 9.0, 8: 8.0}, 4, 2.25),  # one that is slow
        ({1: 1.0, 2: 2.0, 4: 4.0, 8: 32.0}, 4, 0.5),  # a jump behind the last that has two neighbours
    ],
)
def test_a_cliff_is_found(times, size, ratio):
    ratios = growth.off_trend(times)
    assert growth.farthest(ratios) == size
    assert ratios[size] == pytest.approx(ratio)


def test_a_batchs_floor_may_be_made_in_pieces():
    assert growth.in_pieces({1: 5.0, 2: 6.0, 4: 20.0}) == {1: 5.0, 2: 6.0, 4: 12.0}


def test_cases_grow_in_one_way():
    batches, widths = growth.cases("batch", [2, 8192]), growth.cases("width", [16])
    assert [(case.batch, case.sizes, len(case.X)) for case in batches.values()] == [
        (2, (64, 128, 10), 4096),
        (8192, (64, 128, 10), 8192),
    ]
    assert (widths[16].batch, widths[16].sizes) == (128, (32, 16, 16, 10))


@pytest.fixture
def measured(monkeypatch):
    """A few small sizes, really measured but for the floor."""
    monkeypatch.setattr(growth, "SECONDS", 1e-4)
    monkeypatch.setattr(growth, "measure_floor", lambda case: {"microseconds": 2.0})
    return lambda: growth.main(2, [1, 2, 4], [8, 16, 32])


def test_all_runs_are_kept_and_shown(measured, capsys):
    results = measured()
    batch = results["grows"]["batch"]
    assert [len(times) for times in batch["microseconds"].values()] == [2, 2, 2]
    assert min(min(times) for times in batch["microseconds"].values()) > 0
    assert results["grows"]["width"]["floor"] == {8: 2.0, 16: 2.0, 32: 2.0}
    out = capsys.readouterr().out
    assert out.count("Farthest off the trend: ") == 2
    assert "at batch 2 (no cliff: 0.67 to 1.5: " in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_picture_is_drawn_of_kept_results_too(measured, tmp_path, ending, magic):
    file = tmp_path / "new" / f"growth.{ending}"
    growth_picture.draw(file, json.loads(json.dumps(measured())))
    assert file.read_bytes().startswith(magic)
    if ending == "svg":
        text = file.read_text(encoding="utf-8")
        for label in ("batch (samples)", "width of both hidden layers (neurons)", "time per step (µs)", "backpass"):
            assert f"<!-- {label} -->" in text


def test_a_picture_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"^the picture's ending is '\.txt'; choose one of \.png, \.svg$"):
        growth_picture.check_ending(growth_picture.Path("growth.txt"))
