import io

import numpy as np
import pytest
from rich.console import Console

from backpass import CategoricalCrossentropy, Softmax
from backpass.bench import fusion, notebook
from backpass.fusions.fusion import FUSIONS, LAYER_FUSIONS, Fusion
from backpass.layers.layer import LAYERS
from backpass.losses.loss import LOSSES


@pytest.fixture
def quick(monkeypatch):
    """Small sizes, single calls: what is printed and returned, not how fast."""
    monkeypatch.setattr(fusion, "SIZES", ((3, 3), (7, 4)))
    monkeypatch.setattr(fusion, "LAYER_SIZES", ((5, 3, 4),))
    monkeypatch.setattr(fusion, "SECONDS", 0.0)


def run(rounds=2, width=80):
    console = Console(file=io.StringIO(), width=width)
    return fusion.main(rounds, console), console.file.getvalue()


@pytest.mark.parametrize(("N", "C"), [(3, 3), (7, 4), (300, 3)])
def test_all_routes_compute_the_same(N, C):
    probabilities, labels = fusion.probabilities_and_labels(N, C)
    expected = (probabilities - np.eye(C)[labels]) / N
    for route in fusion.backward_routes(probabilities, labels).values():
        np.testing.assert_allclose(route(), expected, rtol=0, atol=1e-12 / N)


def test_routes_make_new_objects_in_every_call():
    for route in fusion.backward_routes(*fusion.probabilities_and_labels(3, 3)).values():
        assert route() is not route()


def test_main_measures_every_route_and_every_rule(quick):
    figures, _ = run()
    assert set(figures["backward"]) == {"3x3", "7x4"}
    for row in figures["backward"].values():
        assert set(row["microseconds"]) == {"our combined", "our separate", "notebook combined", "notebook separate"}
        assert all(microseconds > 0 for microseconds in row["microseconds"].values())
        assert set(row["ratios"]) == {"combined", "separate", "ours"}
    assert set(figures["rules"]) == {rule.__name__ for rule in (*FUSIONS.values(), *LAYER_FUSIONS.values())}


def test_a_new_fusion_is_measured_by_itself(quick, monkeypatch):
    step = FUSIONS[Softmax, CategoricalCrossentropy]
    monkeypatch.setitem(LAYERS, "MyLayer", None)  # noted as missing before the classes enter themselves
    monkeypatch.setitem(LOSSES, "MyStep", None)
    layer = type("MyLayer", (Softmax,), {})
    monkeypatch.setitem(FUSIONS, (layer, CategoricalCrossentropy), None)
    type("MyStep", (step,), {"layer": layer})
    figures, text = run()
    assert set(figures["rules"]["MyStep"]["7x4"]["microseconds"]) == {"pair", "fused"}
    assert "MyStep" in text


def test_a_route_that_computes_something_else_is_refused(quick, monkeypatch):
    def halved(self, dvalues, y_true):
        self.dinputs = (dvalues - np.eye(dvalues.shape[1])[y_true]) / len(dvalues) / 2

    monkeypatch.setattr(notebook.PlainSoftmaxCrossentropy, "backward", halved)
    with pytest.raises(ArithmeticError, match="backward, 3x3: notebook combined differs from our combined by 5"):
        run()


def test_a_route_that_gives_nan_is_refused():
    routes = {"good": lambda: np.ones(3), "broken": lambda: np.array([1, np.nan, 1])}
    with pytest.raises(ArithmeticError, match="broken differs from good"):
        fusion.check_agreement(routes, "here")


def test_a_fusion_that_differs_from_its_pair_is_refused(quick, monkeypatch):
    step = FUSIONS[Softmax, CategoricalCrossentropy]
    monkeypatch.setattr(step, "forward", lambda self, inputs, y_true: 1e-9 + Fusion.forward(self, inputs, y_true))
    with pytest.raises(ArithmeticError, match="SoftmaxCrossentropy, 3x3: pair differs from fused"):
        run()


def test_all_routes_of_all_cases_are_measured_in_turn():
    order = []
    cases = {
        (case, "3x3"): {name: lambda name=case + name: order.append(name) for name in ("1", "2")} for case in ("A", "B")
    }
    times = fusion.measure(cases, rounds=3, seconds=0.0)
    assert order[-12:] == ["A1", "A2", "B1", "B2"] * 3
    assert times["B", "3x3"]["2"].shape == (3,)


def test_ratios_say_how_many_times_as_long_the_slower_takes():
    times = {"slow": np.array([8.0, 80.0, 6.0]), "fast": np.array([2.0, 10.0, 3.0])}
    row = fusion.compare(times, {"gain": ("slow", "fast")})
    assert row["ratios"] == {"gain": 4.0}  # of 4, 8 and 2, round by round; the medians' own ratio is 8 / 3
    assert row["microseconds"] == {"slow": 8.0, "fast": 3.0}


def test_goals_are_the_ones_of_the_issue():
    assert fusion.GOALS == {
        ("combined", "3x3"): 4,
        ("combined", "10000x10"): 20,
        ("separate", "3x3"): 5,
        ("separate", "300x3"): 5,
        ("separate", "10000x10"): 5,
    }


@pytest.mark.parametrize(("ratio", "word"), [(4.0, "met"), (3.99, "missed")])
def test_a_goal_is_met_or_missed(ratio, word):
    assert f"goal 4: {word}" in fusion.against_goal(ratio, 4.0)


def test_tables_fit_80_columns(quick):
    _, text = run(width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
