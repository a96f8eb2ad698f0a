"""How an unfolding is shown: as a dict for JSON, as text, for rich, as HTML."""

import json
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.audit import unfold
from tests.audit.unfoldings import C, M, N, some_entries, through
from tests.networks import problem


def numbers_in(described):
    yield from (described[name] for name in ("value", "residual", "absolute"))
    for term in described["terms"]:
        yield from (term["product"], term["running"], *(factor["value"] for factor in term["factors"]))
    for child in described["children"]:
        yield from numbers_in(child)


def test_a_dict_is_json_that_holds_what_the_unfolding_holds():
    network, X, y = through(bp.Tanh())
    unfolding = unfold(network, X, y, "dense2.dinputs[2, 1]")
    described = json.loads(json.dumps(unfolding.to_dict(depth=2), allow_nan=False))
    assert described["name"] == "dense2.dinputs[2, 1]"
    assert described["numpy"] == unfolding.numpy
    assert described["count"] == C
    assert described["arrays"]["dense2.dvalues"] == {"shape": [N, C], "axes": ["sample", "neuron"]}
    assert described["arrays"]["dense2.weights"] == {"shape": [M, C], "axes": ["input", "neuron"]}
    assert [term["product"] for term in described["terms"]] == unfolding.terms.products.tolist()
    assert [term["running"] for term in described["terms"]] == unfolding.terms.running.tolist()
    factors = [[factor["value"] for factor in term["factors"]] for term in described["terms"]]
    assert factors == unfolding.terms.factors.tolist()
    names = [[factor["name"] for factor in term["factors"]] for term in described["terms"]]
    assert names == [unfolding.terms.names(k) for k in range(C)]
    for child in described["children"]:
        assert names[child["term"]][child["factor"]] == child["name"]
        assert child["value"] == factors[child["term"]][child["factor"]]
        assert child["children"] == []


@pytest.mark.parametrize(
    ("entry", "axes"),
    [
        ("loss", []),
        ("y[0]", ["sample"]),
        ("X[0, 0]", ["sample", "feature"]),
        ("loss.dinputs[0, 0]", ["sample", "class"]),
        ("dense1.dinputs[0, 0]", ["sample", "input"]),
        ("dense1.dbiases[0, 0]", ["one", "neuron"]),
        ("dense1.dweights[0, 0]", ["input", "neuron"]),
        ("layernorm1.deviation[0, 0]", ["sample", "one"]),
    ],
)
def test_a_dict_names_the_axes(entry, axes):
    network, X, y = through(bp.LayerNorm(M, dtype="float64"), loss=bp.SoftmaxCrossentropy())
    described = unfold(network, X, y, entry).to_dict()
    array = entry.partition("[")[0]
    assert described["arrays"][array]["axes"] == axes
    assert len(described["arrays"][array]["shape"]) == len(axes)


def test_a_dict_of_the_largest_terms_says_how_many_there_are():
    network, X, y = through(bp.Tanh())
    unfolding = unfold(network, X, y, "dense1.dbiases[0, 1]")
    described = unfolding.to_dict(most=2)
    assert [term["term"] for term in described["terms"]] == unfolding.terms.order[:2].tolist()
    assert described["count"] == N


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_passes_json_as_itself(broken):
    network, X, y = through(bp.ReLU())
    network.layers[2].weights[0, 1] = broken
    for unfolding in some_entries(unfold(network, X, y, "loss"), np.random.default_rng(5), each=6):
        assert unfolding.residual == 0 or not np.isfinite(unfolding.value) or abs(unfolding.residual) < 1e-9
        described = json.loads(json.dumps(unfolding.to_dict(depth=2), allow_nan=False))
        assert str(float(described["value"])) == str(unfolding.value)
        assert all(
            isinstance(number, float) or number in ("NaN", "Infinity", "-Infinity") for number in numbers_in(described)
        )
        assert str(unfolding)


def test_a_tree_shows_the_largest_terms_and_counts_the_rest():
    network, X, y = through(bp.Tanh())
    unfolding = unfold(network, X, y, "dense1.dbiases[0, 1]")
    lines = str(unfolding.outline(depth=1, most=3)).split("\n")
    terms = [line for line in lines if line.startswith(("├──", "└──"))]
    largest = np.abs(unfolding.terms.products).max()
    assert len(terms) == 4
    assert abs(float(terms[0].split()[1])) == pytest.approx(largest, rel=1e-4)
    assert terms[3].endswith(f"{N - 3} more terms")
    assert float(terms[3].split()[2]) == pytest.approx(unfolding.value, rel=1e-4)


def test_a_tree_leaves_out_terms_of_0_and_counts_them():
    network, X, y = problem("softmax", 6)
    unfolding = unfold(network, X, y, f"softmax1.dinputs[0, {(y[0] + 1) % 4}]")
    lines = str(unfolding.outline(depth=1)).split("\n")
    assert len(unfolding.terms) == 5
    assert lines[-2].startswith("├── ")
    assert lines[-1].endswith("4 more terms")


def test_a_tree_is_as_deep_as_asked_and_names_what_it_leads_to():
    network, X, y = problem("softmax", 6)
    unfolding = unfold(network, X, y, "dense1.dweights[0, 1]")
    assert "relu1.dinputs" not in str(unfolding.outline(depth=1))
    assert "softmax1.dinputs" not in str(unfolding.outline(depth=3))
    whole = str(unfolding.outline(depth=9))
    assert "which enters here" in whole
    assert whole == str(unfolding.outline(depth=99))


def test_the_tree_for_rich_has_the_lines_of_the_text():
    rich = pytest.importorskip("rich.console")
    unfolding = unfold(*problem("softmax", 6), "dense1.dweights[0, 1]")
    console = rich.Console(width=1000, highlight=False)
    with console.capture() as captured:
        console.print(unfolding.tree(depth=3))
    assert captured.get().rstrip("\n") == str(unfolding.outline(depth=3))


def test_text_and_html_need_no_rich(monkeypatch):
    unfolding = unfold(*problem("softmax", 6), "dense1.dweights[0, 1]")
    for name in ("rich", "rich.tree", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    assert str(unfolding).startswith("dense1.dweights[0, 1] = ")
    page = unfolding._repr_html_()
    assert page.count("<details") == page.count("</details>") > 6
    assert "(relu1.inputs" in page
    assert "&gt; 0)" in page
    assert repr(unfolding) == f"<Unfolding of dense1.dweights[0, 1] = {unfolding.value:.6g}, the sum of 6 terms>"
