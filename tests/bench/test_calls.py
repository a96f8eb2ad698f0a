"""`backpass bench calls`: every peer gives the same answer, one that does not is found."""

import numpy as np
import pytest

from backpass.bench import call_peers, calls


@pytest.mark.parametrize(
    ("call", "peer"), [("prediction", "numpy"), ("prediction", "sklearn"), ("gradient", "numpy")]
)  # the others are not among what tests install
def test_every_peer_gives_the_same_answer(call, peer):
    _, _, ours = call_peers.CALLS[call]["backpass"]()
    timed, given, theirs = call_peers.CALLS[call][peer]()
    np.testing.assert_allclose(theirs.ravel(), ours.ravel(), rtol=0, atol=calls.AGREEMENT[call])
    assert timed(**given) is not None


def test_what_is_timed_predicts_the_class_of_the_answer():
    for peer in ("backpass", "numpy", "sklearn"):
        predict, given, probabilities = call_peers.CALLS["prediction"][peer]()
        assert predict(**given).tolist() == [probabilities.argmax()]


def test_what_is_timed_has_dropout():
    for peer in ("backpass", "numpy"):
        gradient, given, answer = call_peers.CALLS["gradient"][peer]()
        found = gradient(**given)[1]
        found = found if isinstance(found, np.ndarray) else call_peers.flat(found)
        assert np.abs(found - answer).max() > 1e-4


def test_a_call_is_called_with_what_is_given():
    asked = set()
    assert call_peers.microseconds(lambda X, y: asked.add((X, y)), {"X": 1, "y": 2}) > 0
    assert asked == {(1, 2)}


@pytest.fixture
def answers(monkeypatch):
    given = {"backpass": [0.25, 0.75], "numpy": [0.25, 0.75], "sklearn": [0.25, 0.75]}
    times = {"backpass": 3.0, "numpy": 6.0, "sklearn": 90.0}
    monkeypatch.setattr(calls, "one_call", lambda call, peer: {"microseconds": times[peer], "answer": [*given[peer]]})
    return given


def test_all_runs_are_kept_without_their_answers(answers, capsys):
    results = calls.main(["numpy", "sklearn"], 2)
    assert results["calls"]["prediction"]["numpy"] == [{"microseconds": 6.0}] * 2
    assert list(results["calls"]["gradient"]) == ["backpass", "numpy"]  # scikit-learn has no call for it
    assert results["machine"]["python"]
    out = capsys.readouterr().out
    assert "30.00x" in out
    assert "3: met" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("wrong", [0.25 + 1e-4, np.nan])
def test_a_peer_that_does_not_compute_the_same_is_found(answers, wrong):
    answers["numpy"][0] = wrong
    with pytest.raises(ArithmeticError, match=r"^prediction: numpy's answer is .* away from ours"):
        calls.main(["numpy"], 1)
