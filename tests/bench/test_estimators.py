"""The benchmark of the estimators: that it measures, and that it compares like with like."""

import pytest

from backpass.bench import estimator_quality, estimators


def test_both_packages_end_a_fit_with_the_same_loss(monkeypatch):
    monkeypatch.setitem(estimators.FITS, "small", ("digits", "float64", (8,), 500, 2, 1.0))
    ours, theirs = (estimators.one_fit(peer, "small") for peer in estimators.PEERS)
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-9)
    assert min(ours["seconds"], theirs["seconds"]) > 0


def test_a_table_with_goals_is_printed_and_different_losses_are_refused(monkeypatch, capsys):
    loss = {"backpass": 0.5, "sklearn": 0.5}

    def figures(module, peer, case):
        if case == "at once" or peer == "ensemble":
            return {"one after the other": 2.0, "at once": 1.0}
        return {"seconds": 1.0 if peer == "backpass" else 6.0, "microseconds": 2.0, "loss": loss[peer]}

    monkeypatch.setattr(estimators, "fresh_figures", figures)
    estimators.main(repeats=2)
    printed = capsys.readouterr().out
    assert "5x less: met" in printed
    assert "8x less: missed" in printed
    assert "2.00x as fast" in printed
    assert f"n_ensemble={estimators.MEMBERS} as fast as {estimators.MEMBERS} fits: digits float64 2.00x" in " ".join(
        printed.split()
    )
    loss["sklearn"] = 0.6
    with pytest.raises(ArithmeticError, match="digits float64"):
        estimators.main(repeats=1)


@pytest.mark.long
@pytest.mark.parametrize("name", estimator_quality.DATA)
def test_our_estimators_learn_as_well_as_scikit_learns(name):
    found = estimator_quality.compare(name)
    assert found["apart"] <= found["spread"]
