"""Parameters are found wherever a part keeps them, or are named as not looked at."""

import itertools
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import backpass as bp
from backpass.audit import check

INPUTS = np.random.default_rng(1).normal(size=(7, 5))


def drawn(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


class Product:
    """inputs @ weights, wherever these are; its gradient is `factor` times what it should be."""

    factor = 1

    def __init__(self, n_inputs=5, n_neurons=4):
        self.put(drawn(n_inputs, n_neurons))

    def forward(self, inputs):
        self.x = inputs
        return inputs @ np.asarray(self.weights_now())

    def backward(self, dvalues):
        self.put_gradient(self.factor * self.x.T @ dvalues)
        return dvalues @ np.asarray(self.weights_now()).T


class InList(Product):
    def put(self, weights):
        self.params, self.grads = [weights], [None]

    def weights_now(self):
        return self.params[0]

    def put_gradient(self, gradient):
        self.grads[0] = gradient


class InTuple(InList):
    def put(self, weights):
        self.params, self.grads = (weights.astype(np.float32),), ()

    def put_gradient(self, gradient):
        self.grads = (gradient,)


class InListsOfTheirOwn(InList):
    def put(self, weights):
        self.Ws, self.dWs = [weights], []

    def weights_now(self):
        return self.Ws[0]

    def put_gradient(self, gradient):
        self.dWs = [gradient]


class AsNestedLists(InList):
    def put(self, weights):
        self.weights = weights.tolist()

    def weights_now(self):
        return self.weights

    def put_gradient(self, gradient):
        self.dweights = gradient.tolist()


class InAnObject(InList):
    def put(self, weights):
        self.W = SimpleNamespace(data=weights, grad=None)

    def weights_now(self):
        return self.W.data

    def put_gradient(self, gradient):
        self.W.grad = gradient


class InADictOfLists(InList):
    def put(self, weights):
        self.held = {"params": {"first": [weights]}, "grads": {}}

    def weights_now(self):
        return self.held["params"]["first"][0]

    def put_gradient(self, gradient):
        self.held["grads"]["first"] = [gradient]


class Pair(NamedTuple):
    W: np.ndarray


class InANamedTuple(InList):
    def put(self, weights):
        self.pair = Pair(weights)

    def weights_now(self):
        return self.pair.W

    def put_gradient(self, gradient):
        self.dpair = Pair(gradient)


class BesideAllGradients(InList):
    def put(self, weights):
        self.W, self.grads = weights, {}

    def weights_now(self):
        return self.W

    def put_gradient(self, gradient):
        self.grads["W"] = gradient


class Sequence:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, inputs):
        for layer in self.layers:
            inputs = layer.forward(inputs)
        return inputs

    def backward(self, dvalues):
        for layer in reversed(self.layers):
            dvalues = layer.backward(dvalues)
        return dvalues


class Nielsen:
    """A list of weights and one of biases, and nabla_w and nabla_b beside them."""

    factor = 1

    def __init__(self, sizes=(5, 4, 3)):
        self.weights = [drawn(*pair) for pair in itertools.pairwise(sizes)]
        self.biases = [np.zeros((1, size)) for size in sizes[1:]]

    def forward(self, x):
        self.flows = [x]
        for weights, biases in zip(self.weights, self.biases, strict=True):
            self.flows.append(np.tanh(self.flows[-1] @ weights + biases))
        return self.flows[-1]

    def backward(self, d):
        self.nabla_w, self.nabla_b = [], []
        for weights, before, after in zip(self.weights[::-1], self.flows[-2::-1], self.flows[:0:-1], strict=True):
            d = d * (1 - after**2)
            self.nabla_w.insert(0, self.factor * before.T @ d)
            self.nabla_b.insert(0, d.sum(axis=0, keepdims=True))
            d = d @ weights.T
        return d


KINDS = [InList, InTuple, InListsOfTheirOwn, AsNestedLists, InAnObject, InADictOfLists, InANamedTuple]
KINDS += [BesideAllGradients, Nielsen]


def wrong(kind):
    return type(kind.__name__, (kind,), {"factor": 3})


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_wrong_gradient_is_found_wherever_it_is(kind, depth):
    right, broken = kind(), wrong(kind)()
    for _ in range(depth):
        right, broken = Sequence(right), Sequence(broken)
    assert check(right, INPUTS).passed
    findings = check(broken, INPUTS).findings
    assert findings
    assert {finding.mistake for finding in findings} == {"scaled-by-constant"}


def test_gradients_in_a_list_are_called_by_their_place():
    (finding,) = check(wrong(InList)(), INPUTS).findings
    assert str(finding) == "scaled-by-constant in params[0]: claimed / true = 3 in every entry"


def test_layers_of_backpass_inside_of_a_custom_part_are_looked_at():
    class Halves(bp.Dense, listed=False):
        def backward(self, dvalues):
            dinputs = super().backward(dvalues)
            self.dweights /= 2
            return dinputs

    right = Sequence(bp.Dense(5, 4, random_state=0), bp.Tanh(), bp.Dense(4, 2, random_state=0))
    assert len(check(right, INPUTS).entries) == 5
    (finding,) = check(Sequence(Sequence(Halves(5, 4, random_state=0))), INPUTS).findings
    assert finding.where == "layers[0].layers[0].dweights"


def test_one_array_with_two_names_is_one_parameter():
    class Aliased(Sequence):
        def __init__(self):
            super().__init__(InList())
            self.params = list(self.layers[0].params)

    assert len(check(Aliased(), INPUTS).entries) == 2


def test_what_has_no_gradient_in_a_container_is_named():
    class Holds:
        def __init__(self):
            self.stuff = {"a": [drawn(5, 4)], "unused": [drawn(2, 2)]}

        def forward(self, x):
            return x @ self.stuff["a"][0]

        def backward(self, d):
            return d @ self.stuff["a"][0].T

    notes = [note for note in check(Holds(), INPUTS).notes if "looked at" in note]
    assert notes == ["stuff.a[0] is used by forward and has no gradient beside it: it was not looked at"]


def test_a_part_that_holds_itself_is_no_endless_search():
    part = InList()
    part.owner = {"part": part}
    assert check(part, INPUTS).passed
