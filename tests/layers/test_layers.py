"""Every layer: its formula against numeric derivatives, its kernels against the formula."""

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from tests.gradients import assert_close, assert_gradient
from tests.parts import (
    ALL_LAYERS,
    DTYPES,
    KINKED,
    LAYER_CASES,
    SEEDS,
    SIZES,
    TOLERANCE,
    absolute_terms,
    case_name,
    made,
    randomise,
    run_formula,
    side_of_kink,
)

each_layer = pytest.mark.parametrize("part", ALL_LAYERS, ids=case_name)
each_case = pytest.mark.parametrize(("part", "options"), LAYER_CASES, ids=case_name)
N, D, M = 3, 7, 4  # all unequal, and more inputs than samples


@each_case
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(part, options, seed):
    rng = np.random.default_rng(seed)
    layer = made(part, D, M, np.float64, **options)
    values = {"inputs": rng.normal(size=(N, D)), **randomise(layer, rng)}
    values["output"] = run_formula(layer, "forward", values)["output"]
    values["dvalues"] = rng.normal(size=values["output"].shape)
    claimed = run_formula(layer, "backward", values)
    terms = absolute_terms(layer, values, claimed)
    assert set(claimed) == {"dinputs", *(f"d{name}" for name in layer.parameter_shapes())}

    for name, gradient in claimed.items():
        wanted = name[1:]  # dinputs is the derivative by inputs, and so on

        def loss(at, wanted=wanted):
            return np.sum(values["dvalues"] * run_formula(layer, "forward", values | {wanted: at})["output"])

        kinked = assert_gradient(
            loss,
            values[wanted],
            gradient,
            side=side_of_kink(layer),
            terms=None if part is bp.Softmax else terms[name],
            what=f"{layer!r} {name}",
        )
        assert kinked == 0  # random numbers keep away from the kink; the test below counts where they do not


@pytest.mark.parametrize("name", KINKED)
def test_exactly_the_coordinates_at_the_kink_are_left_out(name):
    layer = getattr(bp, name)()
    inputs = np.array([[0.0, 1.0, -1.0, 3e-6], [-0.0, 2e-5, -2e-5, -9e-6]])
    values = {"inputs": inputs, "dvalues": np.arange(1.0, 9.0).reshape(2, 4)}
    kinked = assert_gradient(
        lambda at: np.sum(values["dvalues"] * run_formula(layer, "forward", {"inputs": at})["output"]),
        inputs,
        run_formula(layer, "backward", values)["dinputs"],
        side=side_of_kink(layer),
    )
    assert kinked == 4


@each_case
@settings(max_examples=300, deadline=None)
@given(N=SIZES, D=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(part, options, N, D, M, dtype, seed):
    rng = np.random.default_rng(seed)
    layer, tolerance = made(part, D, M, dtype, **options), TOLERANCE[np.dtype(dtype)]
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
    expected = run_formula(layer, "forward", values)
    assert_close(output, expected["output"], tolerance, absolute_terms(layer, values, expected)["output"], "output")
    values |= {"output": output.astype(np.float64), "dvalues": dvalues.astype(np.float64)}
    expected = run_formula(layer, "backward", values)
    terms = absolute_terms(layer, values, expected)
    for name, value in expected.items():
        assert_close(getattr(layer, name), value, tolerance, terms[name], name)


@each_case
def test_formula_takes_complex_numbers_without_losing_the_imaginary_part(part, options):
    layer = made(part, D, M, np.float64, **options)
    inputs = np.full((N, D), 0.5 + 1e-30j)
    inputs[:, 0] = 0.7
    values = {"inputs": inputs, **randomise(layer, np.random.default_rng(0))}
    assert run_formula(layer, "forward", values)["output"].imag.any()


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_passes_forward_and_backward(part, options, dtype):
    layer = made(part, 3, 3, dtype, **options)
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
