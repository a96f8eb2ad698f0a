"""Where activations are not smooth, not small, or are given their output instead of computing it."""

import copy
import pickle

import mpmath
import numpy as np
import pandas as pd
import pytest

import backpass as bp
from backpass.engine.kernels import kernel
from tests.layers.exact import EXACT
from tests.parts import ALL_LAYERS, LAYER_CASES, case_name, run_formula

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ACTIVATIONS = [part for part in ALL_LAYERS if not issubclass(part, bp.Dense)]
ALONE = [(part, options) for part, options in LAYER_CASES if part in ACTIVATIONS and part is not bp.Softmax]
LEARNERS = [case for case in ALONE if case[0] not in (bp.Linear, bp.Exponential)]  # what grows so fast is for rates


@DTYPES
def test_derivative_of_relu_at_exactly_zero_is_zero(dtype):
    relu = bp.ReLU()
    assert relu.forward(np.array([[0.0, -0.0, 1e-30, -1e-30]], dtype)).tolist() == [[0, 0, dtype(1e-30), 0]]
    assert relu.backward(np.full((1, 4), 5, dtype)).tolist() == [[0, 0, 5, 0]]


@DTYPES
def test_softmax_of_big_logits_is_a_distribution_right_to_1e_6(dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, 1e4 - 1, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    output = bp.Softmax().forward(logits)
    with mpmath.workprec(200):
        for row, got in zip(logits, output, strict=True):
            powers = [mpmath.exp(mpmath.mpf(float(x)) - 10000) for x in row]
            expected = [float(power / sum(powers)) for power in powers]
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)


@DTYPES
@pytest.mark.parametrize(
    ("layer", "at_zero"),
    [
        (bp.LeakyReLU(), 0.01),
        (bp.LeakyReLU(0.3), 0.3),
        (bp.ELU(), 1),
        (bp.ELU(0.7), 0.7),
        (bp.SELU(), 1.0507009873554804934 * 1.6732632423543772848),
    ],
    ids=repr,
)
def test_derivative_at_exactly_zero_is_that_from_below(layer, at_zero, dtype):
    assert layer.forward(np.array([[0.0, -0.0]], dtype)).tolist() == [[0, 0]]
    dinputs = layer.backward(np.full((1, 2), 5, dtype))
    np.testing.assert_allclose(dinputs, np.full((1, 2), 5 * at_zero), rtol=1e-6 if dtype == np.float32 else 1e-15)


# From 1e-8 to 10000 on both sides, and closely around the places where functions go over from one form to another.
SIZES = np.concatenate([np.geomspace(1e-8, 1e4, 90), np.linspace(0.02, 40, 90), np.linspace(80, 720, 60), [1e4]])
INPUTS = np.concatenate([-SIZES[::-1], SIZES])


@pytest.mark.parametrize("what", ["formula", np.float32, np.float64])
@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{case[0]} {case_name(case[1])}")
def test_right_to_1e_6_of_mpmath_up_to_10000(case, what):
    name, options, function, terms = case
    dtype = np.float64 if what == "formula" else what
    layer, inputs = getattr(bp, name)(**options), INPUTS.astype(dtype)[None]
    if what == "formula":
        values = {"inputs": inputs, "dvalues": np.ones_like(inputs)}
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            output = run_formula(layer, "forward", values)["output"]
            dinputs = run_formula(layer, "backward", values | {"output": output})["dinputs"]
    else:
        output, dinputs = layer.forward(inputs), layer.backward(np.ones_like(inputs))
    with mpmath.workprec(400):
        numbers = [mpmath.mpf(float(x)) for x in inputs[0]]
        forward = np.array([float(function(x)) for x in numbers])
        derivative = [terms(x) for x in numbers]
        backward, scale = (
            np.array([float(mpmath.fsum(each, absolute=absolute)) for each in derivative]) for absolute in (False, True)
        )
    tolerance = np.full(len(inputs[0]), 1e-6)
    if options == {"approximate": "tanh"} and what == np.float32:
        tolerance[inputs[0] < -3] = 3e-5  # exp of a number of up to 87 that is rounded to 7 digits
    smallest = 1e4 * np.finfo(dtype).smallest_normal  # what is no bigger may be 0: x times an exp that is
    assert np.isfinite(output).all()
    wrong = np.abs(output[0] - forward) > tolerance * np.abs(forward) + smallest
    assert not wrong.any(), (
        f"{layer!r} of {inputs[0][wrong][0]!r} is {output[0][wrong][0]!r}, not {forward[wrong][0]!r}"
    )
    # the derivative of these two is taken from their output, which has no more digits than 1 has
    smallest = 1e-6 if name in ("Sigmoid", "Tanh") else smallest
    assert np.isfinite(dinputs).all()
    wrong = np.abs(dinputs[0] - backward) > tolerance * scale + smallest
    assert not wrong.any(), f"{layer!r}' of {inputs[0][wrong][0]!r} is {dinputs[0][wrong][0]!r}: {backward[wrong][0]!r}"


def test_tails_are_not_cancelled_to_garbage():
    """What 1 + erf, exp - 1, tanh(log(1 + exp)) and log(1 + exp) would make of them is 0."""
    with mpmath.workprec(200):
        for layer, x, exact in [
            (bp.GELU(), -10.0, -10 * mpmath.ncdf(-10)),
            (bp.GELU(), -37.0, -37 * mpmath.ncdf(-37)),
            (bp.ELU(), -1e-18, mpmath.expm1(mpmath.mpf(-1e-18))),
            (bp.Mish(), -100.0, -100 * mpmath.tanh(mpmath.log1p(mpmath.exp(-100)))),
            (bp.Softplus(), -80.0, mpmath.log1p(mpmath.exp(-80))),
        ]:
            np.testing.assert_allclose(layer.forward([[x]])[0, 0], float(exact), rtol=1e-12, err_msg=repr(layer))


@kernel
def hand_on_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = inputs[n, m]


@kernel
def spoil_kernel(dvalues, settings, dinputs):
    factor = dvalues.dtype.type(settings[0])
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = factor * dvalues[n, m]


class Spoil(bp.Layer):
    """Hands on what comes, and makes of the gradient what a wrong sign, or a backward that is always 0, would."""

    forward_kernel = hand_on_kernel
    backward_kernel = spoil_kernel

    def __init__(self, factor):
        self.settings = np.array([float(factor)])


def loss_after_training(layers, seed):
    """On y = 4 a b of four uniform inputs, of which the best linear model leaves 1.644."""
    X = np.random.default_rng(0).uniform(-1, 1, (128, 4))
    y = 4 * X[:, :1] * X[:, 1:2]
    network = bp.Network(layers, bp.MeanSquaredError(), random_state=seed)
    network.fit(X, y, optimizer=bp.Adam(learning_rate=0.02), epochs=1000)
    return network.evaluate(X, y)["loss"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("part", "options"), LEARNERS, ids=case_name)
def test_activation_learns_a_product_and_would_not_with_its_gradient_reversed_or_gone(part, options, seed):
    """Measured: at most 0.042 as it is, at least 0.94 where the first layer's gradient is 0 or has the wrong sign."""

    def layers(*between):
        return [bp.Dense(4, 5, dtype="float64"), *between, part(**options), bp.Dense(5, 1, dtype="float64")]

    assert loss_after_training(layers(), seed) < 0.1
    for factor in (0, -1):
        assert loss_after_training(layers(Spoil(factor)), seed) > 0.5


@pytest.mark.parametrize(("part", "options"), ALONE, ids=case_name)
def test_options_survive_pickle_copy_and_file(part, options, tmp_path):
    network = bp.Network([bp.Dense(3, 2, random_state=0), part(**options)], bp.MeanSquaredError())
    network.save(tmp_path / "model.safetensors")
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    expected = network.forward(X)
    loaded = bp.Network.load(tmp_path / "model.safetensors")
    assert repr(loaded.layers[1]) == repr(network.layers[1])
    for other in (loaded, pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert np.array_equal(other.forward(X), expected)
    assert all(getattr(network.layers[1], name) == value for name, value in options.items())


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: bp.LeakyReLU(-0.1), ValueError, "negative_slope is -0.1; it must be at least 0"),
        (lambda: bp.LeakyReLU(np.nan), ValueError, "negative_slope is nan"),
        (lambda: bp.LeakyReLU("0.1"), TypeError, "negative_slope is '0.1'; pass a number"),
        (lambda: bp.ELU(0), ValueError, "alpha is 0; it must be above 0"),
        (lambda: bp.ELU(np.inf), ValueError, "alpha is inf"),
        (lambda: bp.ELU(None), TypeError, "alpha is None; pass a number"),
        (lambda: bp.GELU("sigmoid"), ValueError, "approximate is 'sigmoid'; choose one of none, tanh"),
        (lambda: bp.GELU(None), ValueError, "approximate is None; choose one of none, tanh"),
    ],
)
def test_wrong_options_are_named(make, error, named):
    with pytest.raises(error, match=named) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_the_dense_before_starts_as_suits_the_activation(part):
    suited = {
        "SELU": "lecun_normal",
        **dict.fromkeys(("Sigmoid", "Tanh", "Linear", "Softmax", "Exponential"), "glorot_normal"),
    }
    assert part.suits == suited.get(part.__name__, "he_normal")
    network = bp.Network([bp.Dense(6, 4), part()], bp.MeanSquaredError(), random_state=0)
    drawn = bp.Dense(6, 4, initializer=part.suits, random_state=0).weights
    assert np.array_equal(network.layers[0].weights, drawn)


@DTYPES
@pytest.mark.parametrize("part", [bp.Sigmoid, bp.Tanh])
def test_squashing_functions_saturate_without_nan(part, dtype):
    layer = part()
    output = layer.forward(np.array([[1e4, -1e4, np.inf, -np.inf]], dtype))
    low = 0 if part is bp.Sigmoid else -1
    assert output.tolist() == [[1, low, 1, low]]
    assert layer.backward(np.ones((1, 4), dtype)).tolist() == [[0, 0, 0, 0]]


def test_softmax_backward_is_right_for_any_incoming_gradient_of_an_assigned_output():
    """As in cell 35 of the notebook: output assigned, forward never called."""
    softmax = bp.Softmax()
    softmax.output = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    dvalues = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]])
    jacobians = [np.diag(p) - np.outer(p, p) for p in softmax.output]
    expected = [jacobian @ dvalue for jacobian, dvalue in zip(jacobians, dvalues, strict=True)]
    np.testing.assert_allclose(softmax.backward(dvalues), expected, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 2, 50_000])  # fewer than forward saw, and so many that a stray write would crash
@pytest.mark.parametrize("part", [bp.Sigmoid, bp.Tanh, bp.Softmax])
def test_output_assigned_after_a_forward_of_another_shape_and_dtype_is_what_counts(part, rows):
    used, fresh = part(), part()
    used.forward(np.ones((7, 2), np.float32))
    used.output = fresh.output = np.full((rows, 3), 1 / 3)
    dvalues = np.tile([1.0, 2.0, 4.0], (rows, 1))
    dinputs = used.backward(dvalues)
    assert dinputs.shape == (rows, 3)
    assert dinputs.dtype == np.float64
    assert np.array_equal(dinputs, fresh.backward(dvalues))


@pytest.mark.parametrize(
    "output",
    [[[0.25, 0.75]], pd.DataFrame([[0.25, 0.75]]), np.array([[0.25, 0.75]], ">f8"), np.array([[0.75, 0.25]])[:, ::-1]],
    ids=["list", "pandas", "big-endian", "not contiguous"],
)
def test_softmax_output_may_be_assigned_in_any_form(output):
    softmax = bp.Softmax()
    softmax.output = output
    assert softmax.backward([[1.0, 0.0]]).tolist() == [[0.1875, -0.1875]]


def test_output_that_does_not_belong_to_the_stored_inputs_is_refused():
    for layer in (bp.ReLU(), bp.Dense(3, 3)):
        layer.forward(np.ones((4, 3), np.float32))
        layer.output = np.ones((9, 3), np.float32)
        with pytest.raises(ValueError, match=r"inputs has shape \(4, 3\) and .output \(9, 3\)"):
            layer.backward(np.ones((9, 3), np.float32))


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_parts_without_parameters_compute_in_the_dtype_of_their_input(part):
    for given, computed in [("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("i4", "f8"), ("?", "f8"), (">f4", "f4")]:
        layer = part()
        assert layer.forward(np.ones((2, 3), given)).dtype == computed
        assert layer.backward(np.ones((2, 3))).dtype == computed


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_backward_before_forward_is_refused(part):
    with pytest.raises(ValueError, match=f"{part.__name__}.backward needs .* call forward first"):
        part().backward(np.ones((2, 3)))


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_dvalues_of_another_shape_are_refused_naming_both(part):
    layer = part()
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dvalues has shape \(3, 2\); the output has shape \(2, 3\)"):
        layer.backward(np.ones((3, 2)))
