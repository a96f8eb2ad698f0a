"""Dense: sizes, draws, assignment, and the wrong things that it may be given."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp


def test_small_normal_is_the_notebooks_draw_in_c_order():
    dense = bp.Dense(5, 3, initializer="small_normal", random_state=np.random.RandomState(39), dtype=np.float64)
    assert np.array_equal(dense.weights, 0.01 * np.random.RandomState(39).randn(5, 3))
    assert dense.biases.tolist() == [[0, 0, 0]]


def test_weights_are_drawn_at_construction_and_alike_in_both_dtypes():
    single, double = (bp.Dense(5, 3, random_state=1, dtype=dtype) for dtype in ("float32", "float64"))
    assert np.array_equal(single.weights, double.weights.astype(np.float32))
    assert single.weights.any()
    assert single.weights.dtype == np.float32


def test_one_generator_draws_layer_after_layer():
    generator = np.random.RandomState(3)
    first, second = (bp.Dense(4, 2, random_state=generator, dtype=np.float64) for _ in range(2))
    assert not np.array_equal(first.weights, second.weights)
    again = np.random.RandomState(3)
    assert np.array_equal(bp.Dense(4, 2, random_state=again, dtype=np.float64).weights, first.weights)


def test_shapes_are_those_of_the_notebook():
    dense = bp.Dense(5, 3)
    dense.forward(np.ones((2, 5)))
    dense.backward(np.ones((2, 3)))
    shapes = {name: getattr(dense, name).shape for name in ("weights", "biases", "inputs", "output", "dvalues")}
    assert shapes == {"weights": (5, 3), "biases": (1, 3), "inputs": (2, 5), "output": (2, 3), "dvalues": (2, 3)}
    shapes = {name: getattr(dense, name).shape for name in ("dweights", "dbiases", "dinputs")}
    assert shapes == {"dweights": (5, 3), "dbiases": (1, 3), "dinputs": (2, 5)}


def test_assigning_copies_in():
    dense = bp.Dense(2, 3, dtype=np.float64)
    weights, view = np.arange(6.0).reshape(2, 3), dense.weights
    dense.weights = weights
    weights[:] = -1
    assert view is dense.weights
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]]
    dense.biases = [7, 8, 9]  # one row will do
    assert dense.biases.tolist() == [[7, 8, 9]]
    assert dense.parameters.tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("name", ["weights", "biases"])
def test_refused_assignment_changes_nothing(name):
    dense = bp.Dense(2, 3)
    before = dense.parameters.copy()
    for wrong, error in [(np.ones((3, 2)), ValueError), (np.ones(2), ValueError), ("abc", TypeError), (1j, TypeError)]:
        with pytest.raises(error, match=name):
            setattr(dense, name, wrong)
    assert np.array_equal(dense.parameters, before)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"n_inputs": 0}, ValueError, "n_inputs is 0"),
        ({"n_neurons": -2}, ValueError, "n_neurons is -2"),
        ({"n_inputs": 2.0}, TypeError, "n_inputs is 2.0"),
        ({"n_neurons": True}, TypeError, "n_neurons is True"),
        ({"initializer": "he"}, ValueError, "initializer is 'he'.*he_normal"),
        ({"initializer": [0.1]}, ValueError, "initializer is .*0.1"),
        ({"dtype": "float16"}, TypeError, "dtype is 'float16'"),
        ({"dtype": "nonsense"}, TypeError, "dtype is 'nonsense'"),
        ({"dtype": None}, TypeError, "dtype is None"),
        ({"dtype": np.complex128}, TypeError, "dtype is .*complex128"),
        ({"random_state": -1}, ValueError, "random_state is -1"),
        ({"random_state": 2**32}, ValueError, "random_state is 4294967296"),
        ({"random_state": "seed"}, TypeError, "random_state is 'seed'"),
        ({"random_state": 1.5}, TypeError, "random_state is 1.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, named):
    with pytest.raises(error, match=named) as caught:
        bp.Dense(**{"n_inputs": 2, "n_neurons": 3, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pickle_and_deepcopy_keep_the_bits_and_own_their_memory(dtype):
    dense = bp.Dense(3, 2, dtype=dtype)
    dense.forward(np.ones((1, 3)))
    for other in (pickle.loads(pickle.dumps(dense)), copy.deepcopy(dense)):
        assert np.array_equal(other.weights, dense.weights)
        other.weights = np.zeros((3, 2))
        assert not other.parameters[:6].any()
        assert dense.weights.all()
        with pytest.raises(ValueError, match="call forward first"):  # what was stored on the way is not kept
            other.backward(np.ones((1, 2)))
        other.forward(np.ones((1, 3)))
        assert other.backward(np.ones((1, 2))).tolist() == [[0, 0, 0]]


def test_gradients_are_computed_in_the_layers_dtype_whatever_comes():
    dense = bp.Dense(2, 3, dtype=np.float32)
    assert dense.forward(np.ones((4, 2), np.float64)).dtype == np.float32
    assert dense.backward(np.ones((4, 3), np.int8)).dtype == np.float32
    assert dense.dweights.dtype == np.float32
    assert dense.dbiases.tolist() == [[4, 4, 4]]


def test_backward_before_forward_is_refused():
    with pytest.raises(ValueError, match=r"Dense.backward needs .inputs: call forward first"):
        bp.Dense(2, 3).backward(np.ones((1, 3)))
