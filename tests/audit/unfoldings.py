"""Small networks to unfold, and what has to hold for every number of a step."""

import numpy as np

import backpass as bp
from backpass.audit import unfold

SHARE = 1e-12  # of the sum of the absolute terms
N, D, M, C = 7, 5, 4, 3


def through(*layers, loss=None, seed=0, scale=1.0):
    """A network with these layers between two Dense, random parameters, X and y."""
    rng = np.random.default_rng(seed)
    last = layers[-1].output_width(M)
    network = bp.Network(
        [bp.Dense(D, M, dtype="float64", weights_l1=0.1), *layers, bp.Dense(last, C, dtype="float64", biases_l2=0.2)],
        loss or bp.MeanSquaredError(),
        random_state=seed,
    )
    network.parameters = scale * rng.normal(size=network.parameters.shape)
    y = rng.integers(0, C, N) if network.loss.takes_labels else rng.normal(size=(N, C))
    return network, rng.normal(size=(N, D)), y


def some_entries(unfolding, rng, each=4):
    """Entries of every array of the step."""
    for array, values in unfolding._step.arrays.items():
        for _ in range(each if values.ndim else 1):
            index = ", ".join(str(rng.integers(size)) for size in values.shape)
            yield unfolding.entry(f"{array}[{index}]" if index else array)


def assert_adds_up(unfolding):
    terms = unfolding.terms
    assert abs(np.sum(terms.products) - unfolding.value) <= SHARE * unfolding.absolute, unfolding.outline()
    assert unfolding.residual == np.sum(terms.products) - unfolding.value
    computed = eval(unfolding.numpy, {"np": np, **unfolding.names})
    assert np.ndim(computed) == 0
    assert abs(computed - unfolding.value) <= SHARE * unfolding.absolute, unfolding.numpy


def assert_adds_up_to_the_leaves(unfolding, rng):
    """The entry, one of its children, one of theirs ..."""
    assert_adds_up(unfolding)
    if children := unfolding.children():
        assert_adds_up_to_the_leaves(children[rng.integers(len(children))], rng)


def assert_all_add_up(network, X, y, seed=0):
    rng = np.random.default_rng(seed)
    for unfolding in some_entries(unfold(network, X, y, "loss"), rng):
        assert_adds_up_to_the_leaves(unfolding, rng)
