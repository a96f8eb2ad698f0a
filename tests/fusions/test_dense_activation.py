"""Dense and its activation as one layer: equal to the pair, at kinks and with big sums too, alone and in the engine."""

import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.fusions.dense_activation import LAYER_FUSIONS
from tests.gradients import assert_close
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE, randomise

each_fusion = pytest.mark.parametrize("part", LAYER_FUSIONS.values(), ids=lambda part: part.__name__)
NAMES = "dinputs", "dweights", "dbiases"


def pair_of(fused):
    """A Dense with the same parameters, and the activation."""
    dense = bp.Dense(fused.n_inputs, fused.n_neurons, dtype=fused.dtype)
    dense.weights, dense.biases = fused.weights, fused.biases
    return dense, fused.layers[1]()


def test_rules_name_a_dense_and_its_activation():
    assert LAYER_FUSIONS[bp.Dense, bp.ReLU] is bp.DenseReLU
    assert LAYER_FUSIONS[bp.Dense, bp.Tanh] is bp.DenseTanh
    assert LAYER_FUSIONS[bp.Dense, bp.Sigmoid] is bp.DenseSigmoid


@each_fusion
@settings(max_examples=300)
@given(N=SIZES, D=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_one_layer_equals_the_pair_that_it_replaces(part, N, D, M, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]

    def eighths(*shape):  # their products and sums are exact, so that both forms see the same sums: 0 is one of them
        return (rng.integers(-8, 9, shape) / 8).astype(dtype)

    fused = part(D, M, dtype=dtype)
    fused.weights, fused.biases = eighths(D, M), eighths(1, M)
    inputs, dvalues = eighths(N, D), rng.normal(size=(N, M)).astype(dtype)
    dense, activation = pair_of(fused)
    output = activation.forward(dense.forward(inputs))
    assert np.array_equal(fused.forward(inputs), output)
    dense.backward(activation.backward(dvalues))
    fused.backward(dvalues)
    size = np.abs(dvalues).astype(np.float64)  # derivatives are at most 1
    terms = size @ np.abs(fused.weights).T, np.abs(inputs).T @ size, size.sum(axis=0, keepdims=True)
    for name, sum_of_terms in zip(NAMES, terms, strict=True):
        assert getattr(fused, name).dtype == dtype
        assert_close(getattr(fused, name), getattr(dense, name), tolerance, sum_of_terms, name)


@each_fusion
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_kernel_without_dinputs_adds_to_the_same_gradients(part, dtype):
    """The first layer's dinputs are wanted by nobody: the engine hands over an array without columns."""
    rng = np.random.default_rng(0)
    fused = part(5, 3, dtype=dtype)
    randomise(fused, rng)
    fused.forward(rng.normal(size=(7, 5)).astype(dtype))
    fused.backward(rng.normal(size=(7, 3)).astype(dtype))
    once, dinputs = {name: getattr(fused, name).copy() for name in ("dweights", "dbiases")}, fused.dinputs.copy()
    fused.dinputs = np.empty((7, 0), dtype)
    fused.backward_kernel(*fused.backward_kernel.of(fused))
    for name, gradient in once.items():
        np.testing.assert_allclose(getattr(fused, name), 2 * gradient, rtol=1e-6 if dtype == np.float32 else 1e-14)
    fused.dinputs = np.full((7, 5), 9, dtype)  # and dinputs are written, not added to
    fused.backward_kernel(*fused.backward_kernel.of(fused))
    assert np.array_equal(fused.dinputs, dinputs)


EXACT = {  # value and derivative, written so that nothing cancels
    bp.DenseReLU: (lambda x: max(x, 0), lambda x: 1 if x > 0 else 0),
    bp.DenseTanh: (mpmath.tanh, lambda x: mpmath.cosh(x) ** -2),
    bp.DenseSigmoid: (lambda x: 1 / (1 + mpmath.exp(-x)), lambda x: 1 / (2 + mpmath.exp(x) + mpmath.exp(-x))),
}


@each_fusion
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_to_1e4_agree_with_mpmath_to_1e_6_and_never_overflow(part, dtype):
    sums = np.array([[-1e4, -30, -1, -1e-3, 0, 1e-3, 1, 30, 1e4]], dtype).T
    fused = part(1, 1, dtype=dtype)
    fused.weights = [[1]]
    output = fused.forward(sums)
    dinputs = fused.backward(np.ones_like(sums))
    value, derivative = EXACT[part]
    with mpmath.workprec(200):
        exact = [mpmath.mpf(float(x)) for x in sums[:, 0]]
        expected = np.array([[float(value(x))] for x in exact])
        slopes = np.array([[float(derivative(x))] for x in exact])
    assert_close(output, expected, 1e-6, what="output")
    assert_close(dinputs, slopes, 1e-6, what="dinputs")
    assert part is not bp.DenseReLU or dinputs[4, 0] == 0  # at the kink


@each_fusion
def test_fused_layer_of_a_dense_shares_its_arrays(part):
    dense = bp.Dense(4, 3, random_state=0, dtype=np.float64)
    dense.forward(np.ones((2, 4)))
    fused = part.of(dense, part.layers[1]())
    assert type(fused) is part
    assert (fused.inputs, fused.output, fused.saved) == (None, None, None)
    dense.weights, dense.biases = np.arange(12.0).reshape(4, 3) / 10, [1, 2, 3]
    for name in ("weights", "biases", "dweights", "dbiases"):
        assert getattr(fused, name) is getattr(dense, name)
    expected = part.layers[1]().forward(dense.forward(np.ones((2, 4))))
    np.testing.assert_allclose(fused.forward(np.ones((2, 4))), expected, rtol=1e-14)
    fused.backward(np.ones((2, 3)))
    assert dense.dweights.any()
    assert part is bp.DenseReLU or not np.array_equal(dense.dbiases, [[2, 2, 2]])  # the activation's derivative counts


@each_fusion
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_network_of_fused_layers_has_the_gradient_of_the_network_of_pairs_and_learns(part, dtype, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    fused = [part(2, 12, dtype=dtype), part(12, 11, dtype=dtype)]
    plain = [layer for D, M in ((2, 12), (12, 11)) for layer in (bp.Dense(D, M, dtype=dtype), part.layers[1]())]
    ends = [[bp.Dense(11, 2, dtype=dtype), bp.Softmax()] for _ in range(2)]
    one = bp.Network(fused + ends[0], bp.CategoricalCrossentropy(), random_state=0)
    two = bp.Network(plain + ends[1], bp.CategoricalCrossentropy(), random_state=0)
    np.testing.assert_array_equal(one.parameters, two.parameters)  # drawn as they suit the activation
    (loss, gradient), (expected_loss, expected) = one.gradient(X, y), two.gradient(X, y)
    tolerance = TOLERANCE[np.dtype(dtype)]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    assert_close(gradient, expected, tolerance, terms=np.abs(expected).max())
    one.fit(X, y, optimizer=bp.Adam(0.02), epochs=300, batch_size=64)
    assert one.evaluate(X, y)["accuracy"] > 0.97
    one.save(tmp_path / "model.safetensors")
    again = bp.Network.load(tmp_path / "model.safetensors")
    assert [type(layer) for layer in again.layers] == [part, part, bp.Dense, bp.Softmax]
    np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))
    twin = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(twin.predict_proba(X), one.predict_proba(X))


def test_names_of_the_fused_layers():
    for part in LAYER_FUSIONS.values():
        assert repr(part(2, 3)) == f"{part.__name__}(2, 3)"


def test_a_fused_sigmoid_at_the_end_is_trained_by_binary_crossentropy():
    network = bp.Network([bp.DenseSigmoid(2, 1, dtype="float64")], bp.BinaryCrossentropy(), random_state=0)
    X = np.random.default_rng(0).normal(size=(50, 2))
    y = (X[:, 0] > X[:, 1]).astype(int)
    network.fit(X, y, optimizer=bp.Adam(0.1), epochs=200)
    assert network.evaluate(X, y)["accuracy"] > 0.97
