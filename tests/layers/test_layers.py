"""Every layer: its formula against numeric derivatives, its kernels against the formula."""

import numpy as np
import pytest
from hypothesis import given

import backpass as bp
from backpass.layers import relu
from tests.gradients import assert_close, assert_gradient
from tests.parts import (
    ALL_LAYERS,
    DTYPES,
    SEEDS,
    SIZES,
    TOLERANCE,
    made,
    randomise,
    run_formula,
)

each_layer = pytest.mark.parametrize("part", ALL_LAYERS, ids=lambda part: part.__name__)
N, D, M = 3, 7, 4  # all unequal, and more inputs than samples


def absolute_terms(part, values, expected):
    """Sum of the absolute terms of every result. A layer that is not named: its derivative is at most about 1."""
    absolute = {name: np.abs(value).astype(np.float64) for name, value in values.items()}
    if part is bp.Dense:
        return run_formula(part, "forward" if "output" in expected else "backward", absolute)
    if "output" in expected:
        return {"output": np.abs(expected["output"])}
    row = absolute["dvalues"].sum(axis=1, keepdims=True)
    if part is bp.Softmax:
        inner = (absolute["output"] * absolute["dvalues"]).sum(axis=1, keepdims=True)
        return {"dinputs": absolute["output"] * (absolute["dvalues"] + inner)}
    return {"dinputs": absolute["dvalues"] if part.__name__ in ("ReLU", "Linear") else row + 0 * absolute["dvalues"]}


@each_layer
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(part, seed):
    rng = np.random.default_rng(seed)
    layer = made(part, D, M, np.float64)
    values = {"inputs": rng.normal(size=(N, D)), **randomise(layer, rng)}
    values["output"] = run_formula(part, "forward", values)["output"]
    values["dvalues"] = rng.normal(size=values["output"].shape)
    claimed = run_formula(part, "backward", values)
    terms = absolute_terms(part, values, claimed)
    assert set(claimed) == {"dinputs", *(f"d{name}" for name in layer.parameter_shapes())}

    def side(inputs):
        return inputs > 0

    for name, gradient in claimed.items():
        wanted = name[1:]  # dinputs is the derivative by inputs, and so on

        def loss(at, wanted=wanted):
            return np.sum(values["dvalues"] * run_formula(part, "forward", values | {wanted: at})["output"])

        kinked = assert_gradient(
            loss,
            values[wanted],
            gradient,
            side=side if part is bp.ReLU else None,
            terms=None if part is bp.Softmax else terms[name],
            what=f"{part.__name__} {name}",
        )
        assert kinked == 0  # random numbers keep away from the kink; the test below counts where they do not


def test_relu_leaves_out_exactly_the_coordinates_at_the_kink():
    inputs = np.array([[0.0, 1.0, -1.0, 3e-6], [-0.0, 2e-5, -2e-5, -9e-6]])
    dvalues = np.arange(1.0, 9.0).reshape(2, 4)
    kinked = assert_gradient(
        lambda at: np.sum(dvalues * relu.forward(at)), inputs, relu.backward(inputs, dvalues), side=lambda at: at > 0
    )
    assert kinked == 4


@each_layer
@given(N=SIZES, D=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(part, N, D, M, dtype, seed):
    rng = np.random.default_rng(seed)
    layer, tolerance = made(part, D, M, dtype), TOLERANCE[np.dtype(dtype)]
    parameters = randomise(layer, rng)
    inputs = (rng.normal(size=(N, D)) * rng.choice([0.01, 1.0, 10.0])).astype(dtype)
    output = layer.forward(inputs)
    dvalues = rng.normal(size=output.shape).astype(dtype)
    dinputs = layer.backward(dvalues)
    assert output.dtype == dinputs.dtype == dtype
    assert output is layer.output
    assert dinputs is layer.dinputs

    # What the formula starts from is the same rounded numbers, but it goes on in float64.
    values = {name: np.array(value, np.float64) for name, value in {"inputs": inputs, **parameters}.items()}
    expected = run_formula(part, "forward", values)
    assert_close(output, expected["output"], tolerance, absolute_terms(part, values, expected)["output"], "output")
    values |= {"output": output.astype(np.float64), "dvalues": dvalues.astype(np.float64)}
    expected = run_formula(part, "backward", values)
    terms = absolute_terms(part, values, expected)
    for name, value in expected.items():
        assert_close(getattr(layer, name), value, tolerance, terms[name], name)


@each_layer
def test_formula_takes_complex_numbers_without_losing_the_imaginary_part(part):
    layer = made(part, D, M, np.float64)
    inputs = np.full((N, D), 0.5 + 1e-30j)
    inputs[:, 0] = 0.7
    values = {"inputs": inputs, **randomise(layer, np.random.default_rng(0))}
    assert run_formula(part, "forward", values)["output"].imag.any()


@each_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_passes_forward_and_backward(part, dtype):
    layer = made(part, 3, 3, dtype)
    inputs = np.ones((2, 3), dtype)
    inputs[1, 1] = np.nan
    output = layer.forward(inputs)
    assert not np.isnan(output[0]).any()
    assert np.isnan(output[1]).any()
    layer.forward(np.ones((2, 3), dtype))
    dvalues = np.ones((2, 3), dtype)
    dvalues[1, 1] = np.nan
    dinputs = layer.backward(dvalues)
    assert not np.isnan(dinputs[0]).any()
    assert np.isnan(dinputs[1]).any()


@each_layer
def test_backward_twice_gives_the_same_and_does_not_add_up(part):
    rng = np.random.default_rng(0)
    layer = made(part, D, M, np.float64)
    dvalues = rng.normal(size=layer.forward(rng.normal(size=(N, D))).shape)
    names = ["dinputs", *(f"d{name}" for name in layer.parameter_shapes())]
    layer.backward(dvalues)
    first = [getattr(layer, name).copy() for name in names]
    layer.backward(dvalues)
    for name, before in zip(names, first, strict=True):
        assert np.array_equal(getattr(layer, name), before), name


@each_layer
def test_forward_leaves_its_inputs_alone_and_backward_its_dvalues(part):
    rng = np.random.default_rng(0)
    layer = made(part, D, M, np.float64)
    inputs = rng.normal(size=(N, D))
    kept = inputs.copy()
    dvalues = rng.normal(size=layer.forward(inputs).shape)
    kept_dvalues = dvalues.copy()
    layer.backward(dvalues)
    assert np.array_equal(inputs, kept)
    assert np.array_equal(dvalues, kept_dvalues)
