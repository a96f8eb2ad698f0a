"""Measuring in turn in fresh processes, and the file and the table of what was measured."""

import json

import pytest

from backpass.bench import cost_table, results, turns


def test_peers_are_measured_in_turn():
    asked = []
    runs = turns.in_turn(["backpass", "torch"], 3, lambda peer: asked.append(peer) or {"count": len(asked)})
    assert asked == ["backpass", "torch"] * 3
    assert [run["count"] for run in runs["torch"]] == [2, 4, 6]


def test_a_fresh_process_gives_its_last_line_and_what_it_said():
    script = "import os, sys; print('first'); print(os.environ['ASKED']); print('a\\nb', file=sys.stderr)"
    assert turns.fresh_process("-c", script, ASKED="last") == ("last", ["a", "b"])
    with pytest.raises(OSError, match=r"failed: ValueError: no such thing$"):
        turns.fresh_process("-c", "raise ValueError('no such thing')")


def test_peers_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(turns, "find_spec", lambda name: None if name == "jax" else name)
    assert turns.installed(["torch", "jax", "backpass"], ["backpass", "torch", "jax"]) == ["backpass", "torch"]
    with pytest.raises(ValueError, match=r"^peer is 'tourch'; choose one of torch, jax$"):
        turns.installed(["tourch"], ["torch", "jax"])


def test_the_table_shows_medians_spread_ratios_and_goals(capsys):
    values = {"backpass": [4.0, 2.0, 3.0], "numpy": [6.0, 6.0, 6.0]}
    met, missed = cost_table.Quantity("met", values, 3.0, worst=True), cost_table.Quantity("missed", values, 2.9)
    cost_table.print_table("Title", ["numpy", "torch"], [met, missed], "caption")
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["met", "3.00", "6.00", "-", "3:", "met"] in rows
    assert ["missed", "3.00", "6.00", "-", "2.9:", "missed"] in rows
    assert rows.count(["spread", "67%", "0%"]) == 2
    assert rows.count(["worst", "4.00", "6.00"]) == 1
    assert rows.count(["times", "ours", "2.00x"]) == 2
    assert 'torch: not installed: pip install "backpass[bench]"' in out


def test_a_table_of_five_peers_fits_in_80_columns(capsys):
    peers = ["backpass", "torch", "jax", "sklearn", "numpy"]
    each = cost_table.Quantity("the longest of names", {peer: [123_456.0] for peer in peers}, 1.25)
    cost_table.print_table("Title", peers, [each], "caption")
    out = capsys.readouterr().out
    assert "1.25: missed" in out
    assert max(map(len, out.splitlines())) <= 80


def test_figures_are_written_whole_into_a_folder_that_is_made(tmp_path):
    file = tmp_path / "new" / "figures.json"
    results.prepare(file)
    results.write(file, {"runs": [1.5]})
    assert json.loads(file.read_text(encoding="utf-8")) == {"runs": [1.5]}
    with pytest.raises(TypeError):
        results.write(file, {"runs": {1}})  # cannot be written as JSON
    assert json.loads(file.read_text(encoding="utf-8")) == {"runs": [1.5]}
    assert [each.name for each in file.parent.iterdir()] == ["figures.json"]


def test_a_folder_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder; name a file$"):
        results.prepare(tmp_path)
