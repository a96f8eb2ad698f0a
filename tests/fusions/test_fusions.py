"""Every fusion: right by numeric derivatives, equal to its formula, equal to the pair that it replaces."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from tests.gradients import assert_close, assert_gradient
from tests.parts import ALL_FUSIONS, DTYPES, SEEDS, SIZES, TOLERANCE, formula, kinds_of_targets, predictions, rows_for

each_fusion = pytest.mark.parametrize("part", ALL_FUSIONS, ids=lambda part: part.__name__)


def absolute_terms(part, inputs, y_true, output):
    """Sums of the absolute terms of losses and gradients."""
    N, M = inputs.shape
    if part is bp.SigmoidCrossentropy:
        return np.mean(np.abs(inputs) * (1 + y_true) + 1, axis=1), (output + y_true) / M / N
    if part is bp.ExponentialPoisson:  # the pair takes the logarithm of a rounded rate: 1 beside the log rate's size
        return np.mean(output + y_true * (np.abs(inputs) + 1), axis=1), (output + y_true) / M / N
    if part is bp.ExponentialGamma:  # as there, beside the log mean's size
        ratio = y_true / output
        return np.mean(ratio + np.abs(inputs) + 1, axis=1), (1 + ratio) / M / N
    if part is bp.LinearSquaredError:
        size = np.abs(inputs) + np.abs(y_true)
        return np.mean(size**2, axis=1), 2 * size / M / N
    share = np.sum(y_true, axis=1, keepdims=True)
    spread = inputs.max(axis=1, keepdims=True) - inputs
    return np.sum(y_true * (spread + 1 + np.log(M)), axis=1), (output * share + y_true) / N


@each_fusion
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(part, seed):
    rng, N, C = np.random.default_rng(seed), 3, 5
    logits = predictions(part, rng, N, C)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        rows = rows_for(part(), y_true, C)
        output = formula(part).forward(logits, rows)[1]
        claimed = formula(part).backward(output, rows)
        terms = absolute_terms(part, logits, rows, output)[1]
        assert_gradient(
            lambda at, rows=rows: np.mean(formula(part).forward(at, rows)[0]), logits, claimed, terms=terms, what=kind
        )


@each_fusion
@settings(max_examples=300)
@given(N=SIZES, C=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(part, N, C, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    logits = predictions(part, rng, N, C).astype(dtype) * dtype(rng.choice([0.01, 1, 10]))
    exact = logits.astype(np.float64)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        step = part()
        rows = rows_for(step, y_true, C, dtype)
        losses = step.sample_losses(logits, y_true)
        dinputs = step.backward(step.output, y_true)
        expected, probabilities = formula(part).forward(exact, rows)
        terms = absolute_terms(part, exact, rows, probabilities)
        assert step.output.dtype == dinputs.dtype == dtype
        assert_close(losses, expected, tolerance, terms[0], f"loss of {kind}")
        assert_close(step.output, probabilities, tolerance, np.abs(probabilities), "output")
        assert_close(
            dinputs, formula(part).backward(step.output.astype(np.float64), rows), tolerance, terms[1], f"of {kind}"
        )
        assert step.forward(logits, y_true) == np.mean(losses)


@each_fusion
@settings(max_examples=300)
@given(N=SIZES, C=SIZES, seed=SEEDS)
def test_one_step_equals_the_pair_that_it_replaces(part, N, C, seed):
    rng = np.random.default_rng(seed)
    logits = predictions(part, rng, N, C)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        activation, loss, step = part.layer(), part.loss(), part()
        output = activation.forward(logits)
        losses = loss.forward(output, y_true)
        dinputs = activation.backward(loss.backward(output, y_true))
        terms = absolute_terms(part, logits, rows_for(step, y_true, C), output)
        assert_close(step.sample_losses(logits, y_true), losses, 1e-12, terms[0], f"loss of {kind}")
        assert_close(step.output, output, 1e-12, np.abs(output), "output")
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


def exact_exponential_poisson(log_rates, y_true):
    size = len(log_rates)
    rates = [mpmath.exp(mpmath.mpf(float(x))) for x in log_rates]
    loss = sum(rate - y * mpmath.mpf(float(x)) for rate, x, y in zip(rates, log_rates, y_true, strict=True))
    return loss / size, [(rate - y) / size for rate, y in zip(rates, y_true, strict=True)]


def exact_exponential_gamma(log_means, y_true):
    size = len(log_means)
    ratios = [y * mpmath.exp(-mpmath.mpf(float(x))) for x, y in zip(log_means, y_true, strict=True)]
    loss = sum(ratio + mpmath.mpf(float(x)) for ratio, x in zip(ratios, log_means, strict=True))
    return loss / size, [(1 - ratio) / size for ratio in ratios]


def exact_linear_squared_error(inputs, y_true):
    size = len(inputs)
    differences = [mpmath.mpf(float(x)) - y for x, y in zip(inputs, y_true, strict=True)]
    return sum(difference**2 for difference in differences) / size, [2 * each / size for each in differences]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("part", "exact"),
    [
        (bp.SoftmaxCrossentropy, exact_softmax_crossentropy),
        (bp.SigmoidCrossentropy, exact_sigmoid_crossentropy),
        (bp.ExponentialPoisson, exact_exponential_poisson),
        (bp.ExponentialGamma, exact_exponential_gamma),
        (bp.LinearSquaredError, exact_linear_squared_error),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_big_logits_agree_with_mpmath_to_1e_6_and_never_overflow(part, exact, dtype):
    rng, C = np.random.default_rng(0), 4
    most = {np.float32: 85, np.float64: 700}[dtype]  # whose exp is a number, and that of its negative not 0
    big = most if part.layer is bp.Exponential else 1e4
    small = -most if part is bp.ExponentialGamma else -1e4
    logits = (rng.choice([small, 0, big], (60, C)) + rng.choice([0, 0.5, 1], (60, C))).astype(dtype)
    for soft in (False, True):
        y_true = rng.choice([0.25, 0.5], (60, C)) if soft else np.eye(C)[rng.integers(0, C, 60)]
        y_true = y_true + (part is bp.ExponentialGamma)  # amounts are above 0
        step = part()
        losses = step.sample_losses(logits, y_true)
        dinputs = step.backward(step.output, y_true) * 60
        assert np.isfinite(losses).all()
        assert np.isfinite(dinputs).all()
        terms = 60 * absolute_terms(part, logits.astype(np.float64), y_true, step.output.astype(np.float64))[1]
        for n in range(60):
            with mpmath.workprec(200):
                loss, gradient = exact(logits[n], [float(y) for y in y_true[n]])
                loss, gradient = float(loss), [float(entry) for entry in gradient]
            assert losses[n] == pytest.approx(loss, rel=1e-6, abs=1e-300)
            assert_close(dinputs[n], np.array(gradient), 1e-6, terms[n], "gradient")


def test_a_rate_beyond_the_floats_is_infinite_and_one_that_rounds_to_0_is_no_trouble():
    step = bp.ExponentialPoisson()
    assert step.sample_losses([[800.0], [-800.0]], [1, 2]).tolist() == [np.inf, 1600]
    assert step.output.tolist() == [[np.inf], [0]]
    assert step.backward(step.output, [1, 2]).tolist() == [[np.inf], [-1]]


def test_a_mean_that_rounds_to_0_is_infinitely_wrong_and_one_beyond_the_floats_is_no_trouble():
    step = bp.ExponentialGamma()
    assert step.sample_losses([[800.0], [-800.0]], [1, 2]).tolist() == [800, np.inf]
    assert step.output.tolist() == [[np.inf], [0]]
    assert step.backward(step.output, [1, 2]).tolist() == [[0.5], [-np.inf]]


def test_a_pair_is_trained_as_its_fusion_and_linear_makes_no_pass_of_its_own():
    for layer, loss, step in [
        (bp.Exponential(), bp.Poisson(), bp.ExponentialPoisson),
        (bp.Exponential(), bp.Gamma(), bp.ExponentialGamma),
        (bp.Linear(), bp.MeanSquaredError(), bp.LinearSquaredError),
    ]:
        chain = bp.Network([bp.Dense(2, 3), layer], loss).chain()
        assert [type(part) for part in chain.layers] == [bp.Dense]
        assert type(chain.loss) is step


@pytest.mark.parametrize(("step", "what"), [(bp.ExponentialPoisson(), "rates"), (bp.ExponentialGamma(), "means")])
def test_logarithms_of_what_is_above_0_already_are_refused(step, what):
    with pytest.raises(ValueError, match=rf"takes log {what}, but the last layer is Exponential\(\); end with Dense"):
        bp.Network([bp.Dense(2, 1), bp.Exponential()], step)


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
