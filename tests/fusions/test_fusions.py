"""Every fusion: right by numeric derivatives, equal to its formula, equal to the pair that it replaces."""

import mpmath
import numpy as np
import pytest
from hypothesis import given

import backpass as bp
from tests.gradients import assert_close, assert_gradient
from tests.parts import ALL_FUSIONS, DTYPES, SEEDS, SIZES, TOLERANCE, as_rows, formula, kinds_of_targets, predictions

each_fusion = pytest.mark.parametrize("part", ALL_FUSIONS, ids=lambda part: part.__name__)


def absolute_terms(part, inputs, y_true, output):
    """Sums of the absolute terms of losses and gradients."""
    N, M = inputs.shape
    if part is bp.SigmoidCrossentropy:
        return np.mean(np.abs(inputs) * (1 + y_true) + 1, axis=1), (output + y_true) / M / N
    share = np.sum(y_true, axis=1, keepdims=True)
    spread = inputs.max(axis=1, keepdims=True) - inputs
    return np.sum(y_true * (spread + 1 + np.log(M)), axis=1), (output * share + y_true) / N


@each_fusion
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(part, seed):
    rng, N, C = np.random.default_rng(seed), 3, 5
    logits = predictions(part, rng, N, C)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        rows = as_rows(y_true, C)
        output = formula(part).forward(logits, rows)[1]
        claimed = formula(part).backward(output, rows)
        terms = absolute_terms(part, logits, rows, output)[1]
        assert_gradient(
            lambda at, rows=rows: np.mean(formula(part).forward(at, rows)[0]), logits, claimed, terms=terms, what=kind
        )


@each_fusion
@given(N=SIZES, C=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(part, N, C, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    logits = predictions(part, rng, N, C).astype(dtype) * dtype(rng.choice([0.01, 1, 10]))
    exact = logits.astype(np.float64)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        rows = as_rows(y_true, C).astype(dtype).astype(np.float64)
        step = part()
        losses = step.sample_losses(logits, y_true)
        dinputs = step.backward(step.output, y_true)
        expected, probabilities = formula(part).forward(exact, rows)
        terms = absolute_terms(part, exact, rows, probabilities)
        assert step.output.dtype == dinputs.dtype == dtype
        assert_close(losses, expected, tolerance, terms[0], f"loss of {kind}")
        assert_close(step.output, probabilities, tolerance, probabilities, "output")
        assert_close(
            dinputs, formula(part).backward(step.output.astype(np.float64), rows), tolerance, terms[1], f"of {kind}"
        )
        assert step.forward(logits, y_true) == np.mean(losses)


@each_fusion
@given(N=SIZES, C=SIZES, seed=SEEDS)
def test_one_step_equals_the_pair_that_it_replaces(part, N, C, seed):
    rng = np.random.default_rng(seed)
    logits = predictions(part, rng, N, C)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        activation, loss, step = part.layer(), part.loss(), part()
        output = activation.forward(logits)
        losses = loss.forward(output, y_true)
        dinputs = activation.backward(loss.backward(output, y_true))
        terms = absolute_terms(part, logits, as_rows(y_true, C), output)
        assert_close(step.sample_losses(logits, y_true), losses, 1e-12, terms[0], f"loss of {kind}")
        assert_close(step.output, output, 1e-12, output, "output")
        assert_close(step.backward(step.output, y_true), dinputs, 1e-12, terms[1], f"gradient of {kind}")


def exact_softmax_crossentropy(logits, y_true):
    powers = [mpmath.exp(mpmath.mpf(float(x)) - mpmath.mpf(float(max(logits)))) for x in logits]
    probabilities = [power / sum(powers) for power in powers]
    loss = -sum(y * mpmath.log(p) for y, p in zip(y_true, probabilities, strict=True) if y != 0)
    return loss, [p * sum(y_true) - y for p, y in zip(probabilities, y_true, strict=True)]


def exact_sigmoid_crossentropy(logits, y_true):
    size = len(logits)
    probabilities = [1 / (1 + mpmath.exp(-mpmath.mpf(float(x)))) for x in logits]
    rest = [1 / (1 + mpmath.exp(mpmath.mpf(float(x)))) for x in logits]
    terms = [y * mpmath.log(p) + (1 - y) * mpmath.log(q) for y, p, q in zip(y_true, probabilities, rest, strict=True)]
    return -sum(terms) / size, [(p - y) / size for p, y in zip(probabilities, y_true, strict=True)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("part", "exact"),
    [
        (bp.SoftmaxCrossentropy, exact_softmax_crossentropy),
        (bp.SigmoidCrossentropy, exact_sigmoid_crossentropy),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_big_logits_agree_with_mpmath_to_1e_6_and_never_overflow(part, exact, dtype):
    rng, C = np.random.default_rng(0), 4
    logits = (rng.choice([-1e4, 0, 1e4], (60, C)) + rng.choice([0, 0.5, 1], (60, C))).astype(dtype)
    for soft in (False, True):
        y_true = rng.choice([0.25, 0.5], (60, C)) if soft else np.eye(C)[rng.integers(0, C, 60)]
        step = part()
        losses = step.sample_losses(logits, y_true)
        dinputs = step.backward(step.output, y_true) * 60
        assert np.isfinite(losses).all()
        assert np.isfinite(dinputs).all()
        for n in range(60):
            with mpmath.workprec(200):
                loss, gradient = exact(logits[n], [float(y) for y in y_true[n]])
                loss, gradient = float(loss), [float(entry) for entry in gradient]
            assert losses[n] == pytest.approx(loss, rel=1e-6, abs=1e-300)
            assert_close(dinputs[n], np.array(gradient), 1e-6, step.output[n] + y_true[n], "gradient")


@each_fusion
def test_backward_needs_no_forward(part):
    rng = np.random.default_rng(0)
    logits = predictions(part, rng, 4, 3)
    for _, y_true in kinds_of_targets(part, rng, 4, 3):
        step = part()
        step.forward(logits, y_true)
        assert np.array_equal(part().backward(step.output, y_true), step.backward(step.output, y_true))


def test_soft_labels_stay_soft():
    """Where the notebook's argmax makes them hard."""
    step = bp.SoftmaxCrossentropy()
    dinputs = step.backward(np.array([[0.5, 0.3, 0.2]]), np.array([[0.5, 0.3, 0.2]]))
    assert dinputs.tolist() == [[0, 0, 0]]
    assert step.backward(np.array([[0.5, 0.3, 0.2]]), np.array([0])).tolist() == [[-0.5, 0.3, 0.2]]
