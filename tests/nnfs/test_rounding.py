"""The kernels give NumPy's numbers to the last bit: the book's programs are chaotic, and one other bit shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass import nnfs
from backpass.nnfs.kernels import FEW
from backpass.nnfs.layers import product
from tests.parts import DTYPES, SEEDS

SIZES = st.integers(1, 40)
exactly = np.testing.assert_array_equal


def float32(rng, *shape):
    return (rng.normal(size=shape) * rng.choice([0.01, 1, 10])).astype(np.float32)


def dense_of(rng, D, M, dtype=np.float32):
    layer = nnfs.Layer_Dense(D, M)
    layer.weights, layer.biases = float32(rng, D, M).astype(dtype), float32(rng, 1, M).astype(dtype)
    return layer


@settings(max_examples=300)
@given(N=SIZES, D=SIZES, M=SIZES, seed=SEEDS)
def test_a_dense_layer_sums_in_float64_and_rounds_once(N, D, M, seed):
    rng = np.random.default_rng(seed)
    layer, inputs, dvalues = dense_of(rng, D, M), float32(rng, N, D), float32(rng, N, M)
    layer.forward(inputs)
    layer.backward(dvalues)
    exactly(layer.dbiases, np.sum(dvalues, axis=0, keepdims=True))
    # in float64 another order of a sum moves the last bit: one number in 10^8 is then rounded to its neighbour
    for ours, numpys in (
        (layer.output, product(inputs, layer.weights, np.float32) + layer.biases),
        (layer.dweights, product(inputs.T, dvalues, np.float32)),
        (layer.dinputs, product(dvalues, layer.weights.T, np.float32)),
    ):
        assert (ours != numpys).sum() <= 1
        np.testing.assert_allclose(ours, numpys, rtol=1e-6)


@pytest.mark.parametrize(("D", "M"), [(FEW, 64), (FEW + 1, 64), (64, FEW), (64, FEW + 1), (1, 1), (2, 64), (64, 1)])
def test_few_terms_and_many_agree(D, M):
    rng = np.random.default_rng(0)
    layer, inputs, dvalues = dense_of(rng, D, M), float32(rng, 301, D), float32(rng, 301, M)
    layer.forward(inputs)
    layer.backward(dvalues)
    exactly(layer.output, product(inputs, layer.weights, np.float32) + layer.biases)
    exactly(layer.dweights, product(inputs.T, dvalues, np.float32))
    exactly(layer.dbiases, np.sum(dvalues, axis=0, keepdims=True))
    exactly(layer.dinputs, product(dvalues, layer.weights.T, np.float32))


@settings(max_examples=300)
@given(N=SIZES, C=st.integers(1, 20), dtype=DTYPES, seed=SEEDS)
def test_softmax_and_crossentropy_round_as_numpy_does(N, C, dtype, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(N, C)).astype(dtype) * 4, rng.integers(0, C, N)
    step = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy()
    loss = step.forward(logits, labels)
    exponentials = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    exactly(step.output, exponentials / np.sum(exponentials, axis=1, keepdims=True))
    sample_losses = -np.log(np.clip(step.output, 1e-7, 1 - 1e-7)[np.arange(N), labels])
    assert loss == np.mean(sample_losses)
    assert loss.dtype == dtype
    step.backward(step.output, labels)
    dinputs = step.output.copy()
    dinputs[np.arange(N), labels] -= 1
    exactly(step.dinputs, dinputs / N)


@settings(max_examples=300)
@given(
    N=SIZES,
    M=SIZES,
    dtype=DTYPES,
    seed=SEEDS,
    made=st.sampled_from(
        [
            lambda: nnfs.Optimizer_SGD(0.1, decay=0.1),
            lambda: nnfs.Optimizer_SGD(0.1, momentum=0.9),
            lambda: nnfs.Optimizer_Adagrad(0.1, decay=0.1),
            lambda: nnfs.Optimizer_RMSprop(0.1),
            lambda: nnfs.Optimizer_Adam(0.1, decay=0.1),
        ]
    ),
)
def test_an_optimizers_kernel_is_its_formula(N, M, dtype, seed, made):
    rng = np.random.default_rng(seed)
    optimizer, layer = made(), dense_of(rng, N, M, dtype)
    weights, state = layer.weights.copy(), [np.zeros((N, M), dtype) for _ in optimizer._state]
    for _ in range(3):
        layer.dweights, layer.dbiases = float32(rng, N, M).astype(dtype), float32(rng, 1, M).astype(dtype)
        optimizer.pre_update_params()
        update, *state = optimizer._step(weights, layer.dweights, *state)
        weights += update
        optimizer.update_params(layer)
        optimizer.post_update_params()
        exactly(layer.weights, weights)
        for name, array in zip(optimizer._state, state, strict=True):
            exactly(getattr(layer, f"weight_{name}"), array)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2]])
def test_arrays_that_are_not_contiguous_give_the_same(make):
    rng = np.random.default_rng(0)
    inputs, dvalues = float32(rng, 6, 5), float32(rng, 6, 3)
    softmax, relu, loss = nnfs.Activation_Softmax(), nnfs.Activation_ReLU(), nnfs.Loss_CategoricalCrossentropy()
    layer, labels = dense_of(rng, 5, 3), np.array([0, 2, 1, 1, 0, 2])
    found = []
    for change in (np.ascontiguousarray, make):
        layer.forward(change(inputs))
        layer.backward(change(dvalues))
        relu.forward(change(inputs))
        relu.backward(change(relu.output))
        softmax.forward(change(dvalues))
        softmax.backward(change(dvalues))
        losses = loss.forward(change(softmax.output), labels)
        found.append([layer.output, layer.dweights, layer.dbiases, layer.dinputs, relu.output, relu.dinputs])
        found[-1] += [softmax.output, losses, softmax.dinputs]
    for plain, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-5)


def test_float64_inputs_of_a_float32_layer_are_summed_in_float64_and_give_float32():
    rng = np.random.default_rng(0)
    layer, inputs = dense_of(rng, 5, 3), rng.normal(size=(6, 5))
    layer.forward(inputs)
    exactly(layer.output, (inputs @ layer.weights.astype(np.float64)).astype(np.float32) + layer.biases)
    layer.backward(rng.normal(size=(6, 3)))
    assert (layer.dweights.dtype, layer.dinputs.dtype, layer.dbiases.dtype) == (np.float32, np.float32, np.float64)


def test_lists_will_do_as_inputs():
    layer = nnfs.Layer_Dense(2, 2)
    layer.weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    layer.forward([[1, 1]])
    exactly(layer.output, [[4, 6]])


def test_weights_that_somebody_assigned_or_changed_in_place_are_those_that_count():
    rng = np.random.default_rng(0)
    layer, inputs = dense_of(rng, 5, 3), float32(rng, 6, 5)
    layer.forward(inputs)
    layer.weights[0] = 7
    layer.biases = layer.biases + 1
    layer.forward(inputs)
    exactly(layer.output, product(inputs, layer.weights, np.float32) + layer.biases)
    layer.weights = float32(rng, 5, 3)
    layer.forward(inputs)
    exactly(layer.output, product(inputs, layer.weights, np.float32) + layer.biases)


def test_shapes_that_do_not_meet_are_refused_and_reach_no_kernel():
    layer = dense_of(np.random.default_rng(0), 5, 3)
    with pytest.raises(ValueError, match="matmul"):
        layer.forward(np.zeros((6, 4), np.float32))
    layer.forward(np.zeros((6, 5), np.float32))
    with pytest.raises(ValueError, match="matmul"):
        layer.backward(np.zeros((4, 3), np.float32))
