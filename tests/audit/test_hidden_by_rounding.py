"""Numbers that are large or small: a right part passes, a wrong one does not, and what cannot be told is said."""

import json

import numpy as np
import pytest

import backpass as bp
from backpass.audit import check
from tests.audit.plain_parts import Dense

INPUTS = np.random.default_rng(0).normal(size=(20, 5))


class Product:
    n_inputs = 5

    def __init__(self, factor):
        self.factor, self.weights, self.biases = factor, INPUTS[:5, :1].copy(), np.zeros((1, 1))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, d):
        self.dweights, self.dbiases = self.factor * self.x.T @ d, d.sum(axis=0, keepdims=True)
        return d @ self.weights.T


@pytest.mark.parametrize("size", [1.0, 1e6, 1e8, 1e11, 1.7e12])
def test_a_network_is_told_right_from_wrong_whatever_its_targets_are(size):
    inputs = INPUTS[:8]  # each entry is looked at, and takes its time
    targets = size * (1 + 0.1 * inputs[:, 0])
    for factor in (1, 0, -1, -3, 1.1):
        report = check(bp.Network([Product(factor)], bp.MeanSquaredError(), random_state=0), inputs, targets)
        assert report.passed == (factor == 1)
        assert bool(report.findings) == (factor != 1)
        assert not any("float32" in note for note in report.notes)


@pytest.mark.parametrize(("size", "error"), [(1e11, 1e11), (3e7, 1), (1.7e9, 60), (1.7e12, 1e7), (1.0, 1e9)])
@pytest.mark.parametrize("factor", [1, 0.5, -1, 3])
def test_squared_error_of_large_numbers_and_small_errors(size, error, factor):
    loss = (
        lambda y_pred, y_true: np.mean((y_pred - y_true) ** 2, axis=1),
        lambda y_pred, y_true: factor * 2 * (y_pred - y_true) / y_pred.size,
    )
    y_true = size * (1 + 0.1 * np.sign(INPUTS))
    assert check(loss, y_true + error * INPUTS[::-1], y_true).passed == (factor == 1)


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e-12, 1e-10, 1e12, 1e100, 1e300])
@pytest.mark.parametrize("factor", [1, 0.9, -1])
def test_no_gradient_is_too_small_or_too_large(size, factor):
    part = (lambda x: size * np.sin(x), lambda x, dvalues: factor * size * np.cos(x) * dvalues)
    report = check(part, INPUTS)
    assert report.passed == (factor == 1)
    assert bool(report.findings) == (factor != 1)


@pytest.mark.parametrize("far", [1, 1e-5, 1e-10, 1e-100])
def test_a_sum_is_no_mean_near_its_minimum(far):
    def forward(y_pred, y_true):
        return ((y_pred - y_true) ** 2).sum()

    y_true = np.zeros((6, 2))
    y_pred = far * INPUTS[:6, :2]
    assert check((forward, lambda y_pred, y_true: 2 * (y_pred - y_true)), y_pred, y_true).passed
    assert not check((forward, lambda y_pred, y_true: 2 * (y_pred - y_true) / 6), y_pred, y_true).passed


@pytest.mark.parametrize("size", [1e-150, 1e-12, 1e12])
def test_a_dense_layer_of_any_inputs(size):
    class Wrong(Dense):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dbiases = -self.dbiases

    assert not check(Dense(5, 4), size * INPUTS).findings
    assert [str(each)[:22] for each in check(Wrong(5, 4), size * INPUTS).findings] == ["wrong-sign in dbiases:"]


@pytest.mark.parametrize("size", [1.6e18, 1e100, 1e306])
def test_a_right_dense_layer_is_not_accused_where_its_biases_vanish(size):
    assert check(Dense(5, 4), size * np.sign(INPUTS)).findings == []


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("factor", [1, -1, 3])
def test_a_forward_of_few_digits_is_known_by_what_it_returns(dtype, factor):
    part = (lambda x: np.tanh(x.astype(dtype)), lambda x, dvalues: factor * dvalues * (1 - np.tanh(x) ** 2))
    report = check(part, INPUTS)
    assert report.passed == (factor == 1)
    assert report.notes[0].startswith(f"forward computes in {dtype}")


def test_a_forward_that_returns_float64_and_notices_nothing_is_told_too():
    part = (lambda x: np.tanh(x.astype("f4").astype("f8")), lambda x, dvalues: dvalues * (1 - np.tanh(x) ** 2))
    report = check(part, INPUTS)
    assert report.passed
    assert report.notes[0].startswith("forward computes in float32")


@pytest.mark.parametrize("claim", [1, -1, 3])  # 0 is right: what forward gives is the same for all inputs
def test_what_rounding_hides_is_neither_right_nor_wrong(claim):
    report = check((lambda x: np.abs(x) + 1e25, lambda x, dvalues: claim * np.sign(x) * dvalues), INPUTS)
    assert not report.passed
    assert report.findings == []
    assert "could not be checked" in report.verdict
    assert "could not be checked" in str(report)
    assert "could not be checked" in report._repr_html_()
    (line,) = report.unchecked
    assert line.startswith("dinputs could not be checked: entry [")
    held = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert held["passed"] is False
    assert held["unchecked"] == [line]
    assert held["entries"][0]["unchecked"]
    assert "大小约为 1" in "\n".join(report.lines("zh"))


def test_waves_much_shorter_than_the_inputs_are_no_mistake():
    def of(factor):
        return np.sin, lambda inputs, dvalues: factor * dvalues * np.cos(inputs)

    assert check(of(1), 1e9 * INPUTS).findings == []
    assert check(of(-1), 1e9 * INPUTS).findings


def test_a_small_difference_is_shown_in_digits_and_as_a_quotient():
    class Forgets(bp.BatchNorm, listed=False):
        def backward(self, dvalues):
            return (1 - 3e-6) * super().backward(dvalues)

    (finding,) = check(Forgets(5, dtype="float64"), INPUTS).findings
    claimed, true = finding.evidence.split(":")[0].replace("entry", "").split(" is ")[1].split(" and should be ")
    assert claimed != true
    assert "claimed / true = 1 - 3e-06" in finding.evidence
