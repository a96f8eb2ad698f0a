"""LayerNorm: the formula against numeric derivatives and PyTorch, the kernels against the formula."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.layers import layer_norm
from tests.gradients import assert_close, assert_gradient
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE

FIGURES = json.loads((Path(__file__).parent / "torch_figures.json").read_text())["layer norm"]
CLONES = [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))]


def made(M, dtype=np.float64, seed=0, **options):
    layer, rng = bp.LayerNorm(M, dtype=dtype, **options), np.random.default_rng(seed)
    layer.gamma, layer.beta = rng.normal(size=(1, M)), rng.normal(size=(1, M))
    return layer


def absolute_terms(inputs, gamma, beta, dvalues, epsilon):
    """Sums of the absolute terms: of the output, dgamma, dbeta, dinputs."""
    deviation = layer_norm.normalised(inputs, epsilon)[1]
    size = np.abs(inputs)
    normal = (size + size.mean(axis=1, keepdims=True)) / deviation
    dnormal = np.abs(dvalues * gamma)
    inner = np.mean(dnormal * normal, axis=1, keepdims=True)
    dinputs = (dnormal + dnormal.mean(axis=1, keepdims=True) + normal * inner) / deviation
    dgamma, dbeta = (np.sum(each, axis=0, keepdims=True) for each in (np.abs(dvalues) * normal, np.abs(dvalues)))
    return normal * np.abs(gamma) + np.abs(beta), dgamma, dbeta, dinputs


@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(seed, epsilon):
    rng = np.random.default_rng(seed)
    values = {"inputs": rng.normal(size=(3, 7)), "gamma": rng.normal(size=(1, 7)), "beta": rng.normal(size=(1, 7))}
    dvalues = rng.normal(size=(3, 7))
    claimed = layer_norm.backward(values["inputs"], values["gamma"], dvalues, epsilon)
    for name, gradient in zip(("gamma", "beta", "inputs"), claimed, strict=True):
        assert_gradient(
            lambda at, name=name: np.sum(dvalues * layer_norm.forward(**(values | {name: at}), epsilon=epsilon)),
            values[name],
            gradient,
            what=f"d{name}",
        )


@settings(max_examples=300)
@given(N=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(N, M, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    epsilon = float(rng.choice([1e-5, 1e-2]))
    layer = made(M, dtype, seed, epsilon=epsilon)
    inputs = (rng.normal(size=(N, M)) * rng.choice([0.1, 1, 10]) + rng.choice([0, 3])).astype(dtype)
    dvalues = rng.normal(size=(N, M)).astype(dtype)
    output, dinputs = layer.forward(inputs), layer.backward(dvalues)
    assert output.dtype == dinputs.dtype == layer.dgamma.dtype == dtype
    exact, gamma, beta, dexact = (each.astype(np.float64) for each in (inputs, layer.gamma, layer.beta, dvalues))
    terms = absolute_terms(exact, gamma, beta, dexact, epsilon)
    if M > 1:  # with a small variance errors of the inputs' digits are multiplied by 1 / deviation a second time
        deviation = layer_norm.normalised(exact, epsilon)[1]
        spread = np.abs(exact).max(axis=1, keepdims=True) / deviation
        terms = (*terms[:3], terms[3] * np.maximum(1, spread))
    expected = layer_norm.forward(exact, gamma, beta, epsilon), *layer_norm.backward(exact, gamma, dexact, epsilon)
    for name, actual, wanted, size in zip(
        ("output", "dgamma", "dbeta", "dinputs"),
        (output, layer.dgamma, layer.dbeta, dinputs),
        expected,
        terms,
        strict=True,
    ):
        assert_close(actual, wanted, tolerance, size, name)


@pytest.mark.parametrize("case", FIGURES, ids=lambda case: f"epsilon {case['epsilon']}")
def test_agrees_with_pytorch(case):
    layer = bp.LayerNorm(5, epsilon=case["epsilon"], dtype="float64")
    layer.gamma, layer.beta = case["gamma"], case["beta"]
    assert_close(layer.forward(case["inputs"]), np.array(case["output"]), 1e-12)
    dinputs = layer.backward(case["dvalues"])
    scale = np.abs(np.array(case["dinputs"])).max()
    assert_close(dinputs, np.array(case["dinputs"]), 1e-12, scale)
    assert_close(layer.dgamma[0], np.array(case["dgamma"]), 1e-12)
    assert_close(layer.dbeta[0], np.array(case["dbeta"]), 1e-12)


def test_a_row_has_mean_0_and_variance_1_whatever_its_size_and_place():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20, 50)) * 10.0 ** rng.integers(-1, 4, (20, 1)) + rng.normal(size=(20, 1)) * 100
    output = bp.LayerNorm(50, dtype="float64", epsilon=1e-12).forward(inputs)
    np.testing.assert_allclose(output.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(output.var(axis=1), 1, rtol=1e-9)


def test_one_column_and_equal_columns_give_beta_and_no_gradient():
    layer = made(1)
    assert np.array_equal(layer.forward([[3.0], [-7.0]]), np.tile(layer.beta, (2, 1)))
    assert layer.backward([[1.0], [2.0]]).tolist() == [[0], [0]]
    wide = made(3)
    assert np.array_equal(wide.forward([[5.0] * 3]), wide.beta)


def test_training_and_predicting_are_the_same():
    layer, inputs = made(4), np.random.default_rng(0).normal(size=(3, 4))
    training = layer.forward(inputs, training=True)
    dinputs = layer.backward(inputs)
    assert np.array_equal(layer.forward(inputs, training=False), training)
    assert np.array_equal(layer.backward(inputs), dinputs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_big_inputs_do_not_overflow_and_nan_stays_in_its_row(dtype):
    rng = np.random.default_rng(0)
    inputs = (rng.choice([-1e4, 0, 1e4], (30, 6)) + rng.normal(size=(30, 6))).astype(dtype)
    layer = made(6, dtype)
    output, dinputs = layer.forward(inputs), layer.backward(np.ones((30, 6), dtype))
    expected = layer_norm.forward(inputs.astype(np.float64), layer.gamma, layer.beta, 1e-5)
    assert np.isfinite(dinputs).all()
    terms = absolute_terms(inputs.astype(np.float64), layer.gamma, layer.beta, output, 1e-5)[0]
    assert_close(output, expected, 1e-6, terms)
    inputs[1, 2] = np.nan
    output = layer.forward(inputs)
    assert np.isnan(output[1]).all()
    assert not np.isnan(np.delete(output, 1, axis=0)).any()


@pytest.mark.parametrize("clone", CLONES)
def test_copies_compute_the_same(clone):
    layer, inputs = made(4, epsilon=0.5), np.random.default_rng(0).normal(size=(3, 4))
    assert np.array_equal(clone(layer).forward(inputs), layer.forward(inputs))


def test_config_makes_the_layer_anew():
    config = bp.LayerNorm(3, epsilon=0.25).config()
    assert config == {"n_neurons": 3, "epsilon": 0.25}
    assert bp.LayerNorm(**config).settings.tolist() == [0.25]


def test_what_it_cannot_be_made_of_or_take_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^n_neurons is 0; it must be at least 1$"):
        bp.LayerNorm(0)
    with pytest.raises(ValueError, match=r"^epsilon is 0; it must be above 0$"):
        bp.LayerNorm(3, epsilon=0)
    with pytest.raises(ValueError, match=r"^inputs has 4 columns; 3 are expected$"):
        bp.LayerNorm(3).forward(np.ones((2, 4)))
    layer = bp.LayerNorm(3, dtype="float64")
    layer.forward(np.ones((2, 3)))
    layer.inputs = layer.output = np.ones((200, 3))  # `saved` has 2 rows: nobody may read behind them
    with pytest.raises(ValueError, match=r"^LayerNorm[^\n]*call forward again$"):
        layer.backward(np.ones((200, 3)))


def test_trains_and_is_saved_with_a_network(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2)) * 50
    y = (np.abs(X[:, 0]) > np.abs(X[:, 1])).astype(int)
    layers = [bp.Dense(2, 16), bp.LayerNorm(16), bp.Tanh(), bp.Dense(16, 2), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    network.fit(X, y, optimizer=bp.Adam(0.02), epochs=300)
    assert network.evaluate(X, y)["accuracy"] > 0.95
    network.save(tmp_path / "model")
    assert np.array_equal(bp.Network.load(tmp_path / "model").predict_proba(X), network.predict_proba(X))
