"""Cases, peers, and what is measured of one in its process."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from backpass.bench import floor
from backpass.bench.cases import CASES, Case
from backpass.bench.measure import measure
from backpass.bench.peers import PEERS
from backpass.bench.peers import numpy as notebook
from backpass.bench.train import SAME_LOSS


def small(classes=3, **options):
    generator = np.random.RandomState(0)
    X = generator.standard_normal((60, 5)).astype(np.float32)
    return Case("small", (5, 8, 7, classes), X, np.arange(60) % classes, batch=20, checked=30, **options)


def regression(**options):
    case = small(2, loss="squared_error", **options)
    y = 3 * np.sin(case.X[:, :2]) + case.X[:, 2:4]
    return replace(case, y=y.astype(np.float32))


def losses_of(peer, case):
    """Before the first step, and after those that are checked."""
    run, loss = PEERS[peer].start(case, 1)
    before = loss()
    run(case.checked)
    return before, loss()


VARIANTS = {
    "relu": small(),
    "tanh": small(activation="tanh"),
    "squared error": regression(),
    "tanh, squared error": regression(activation="tanh"),
    "AdamW": small(weight_decay=5.0),
    "clipping": regression(clip_norm=0.01),
    "all": regression(activation="tanh", weight_decay=5.0, clip_norm=0.01),
}


@pytest.mark.parametrize("peer", ["numpy", "sklearn"])  # the others are not among what tests install
@pytest.mark.parametrize("name", VARIANTS)
def test_every_peer_has_the_same_loss_after_the_same_steps(peer, name):
    case = VARIANTS[name]
    if not PEERS[peer].suits(case):
        assert case.weight_decay or case.clip_norm
        return
    before, after = losses_of("backpass", case)
    assert after < before
    assert losses_of(peer, case) == pytest.approx((before, after), abs=1e-5)


@pytest.mark.parametrize("changed", [{"weight_decay": 0.0}, {"activation": "relu"}])
def test_what_a_case_asks_for_can_be_seen_in_the_loss(changed):
    case = VARIANTS["all"]
    assert abs(losses_of("backpass", case)[1] - losses_of("backpass", replace(case, **changed))[1]) > SAME_LOSS


@pytest.mark.parametrize("peer", ["backpass", "numpy"])
def test_clipping_is_seen_where_gradients_differ_in_size(peer):
    """Adam does not see the size of all gradients, only of one beside another: those of the first step are large."""
    case = regression(learning_rate=0.05)
    assert abs(losses_of(peer, case)[1] - losses_of(peer, replace(case, clip_norm=0.01))[1]) > SAME_LOSS


@pytest.mark.parametrize("peer", ["backpass", "numpy"])
def test_dropout_changes_the_training_but_not_the_loss_that_is_reported(peer):
    case = regression(dropout=0.3)
    without = losses_of(peer, replace(case, dropout=0))
    before, after = losses_of(peer, case)
    assert before == without[0]
    assert abs(after - without[1]) > SAME_LOSS
    assert before > after


def test_dropout_keeps_the_expected_output():
    """Of many neurons the masks average out: two peers draw others, and yet come to nearly the same loss."""
    case = replace(regression(dropout=0.3), sizes=(5, 256, 128, 2))
    assert losses_of("numpy", case)[1] == pytest.approx(losses_of("backpass", case)[1], rel=0.2)


@pytest.mark.parametrize("peer", ["backpass", "numpy"])
def test_what_is_measured_is_checked_without_dropout(peer, monkeypatch):
    rates = []
    start = PEERS[peer].start
    monkeypatch.setattr("backpass.bench.measure.TIMED_SECONDS", 0)
    noting = replace(PEERS[peer], start=lambda case, threads: rates.append(case.dropout) or start(case, threads))
    monkeypatch.setitem(PEERS, peer, noting)
    case = regression(dropout=0.3)
    figures = measure(case, peer, 1)
    assert rates == [0, 0.3]
    assert figures["loss"] == losses_of(peer, replace(case, dropout=0))[1]
    assert figures["dropout_loss"] == losses_of(peer, case)[1]
    assert min(figures["microseconds"], figures["first_seconds"], figures["peak_mb"]) > 0


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("make", [small, regression])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_of_the_numpy_peer_are_those_of_central_differences(activation, make, dropout):
    case = make(activation=activation, dropout=dropout)
    generator = np.random.RandomState(1)
    shapes = [shape for weights in case.weights() for shape in (weights.shape, (1, weights.shape[1]))]
    parameters = [0.5 * generator.standard_normal(shape) for shape in shapes]
    X, y = case.X.astype(np.float64), case.y

    def loss():
        *_, y_pred = notebook.forward(case, parameters, X, np.random.default_rng(3))
        return notebook.mean_loss(case, y_pred, y)

    gradients = notebook.backward(case, parameters, X, y, np.random.default_rng(3))
    for array, gradient in zip(parameters, gradients, strict=True):
        expected = np.empty_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + 1e-6
            above = loss()
            array[place] = kept - 1e-6
            expected[place] = (above - loss()) / 2e-6
            array[place] = kept
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


def test_the_floor_has_all_products_of_a_step_but_the_first_layers_dinputs(monkeypatch):
    monkeypatch.setattr(floor, "SECONDS", 1e-5)
    assert len(floor.products(regression(), 20)) == 8
    found = floor.measure_floor(regression())
    rates = {found.pop(f"gflops_of_{which}") for which in ("a_core", "two_cores")}
    assert min(rates) > 0
    least = found.pop("microseconds")
    assert set(found) == {"one thread", "split", "BLAS's own two"}
    assert least == min(found.values()) > 0


def test_the_floor_lets_blas_use_as_many_threads_as_it_says(monkeypatch):
    def threads(run):
        return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    monkeypatch.setattr(floor, "microseconds", threads)
    found = floor.measure_floor(regression())
    assert (found["one thread"], found["split"], found["BLAS's own two"]) == (8, 8, 16)  # products times threads
    assert found["gflops_of_a_core"] == 2 * found["gflops_of_two_cores"]


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_made_of_whole_batches_and_whole_epochs_are_checked(name):
    case = CASES[name]()
    assert case.name == name
    assert case.X.dtype == np.float32
    assert case.X.shape == (len(case.y), case.sizes[0])
    assert len(case.X) % case.batch == 0
    assert case.checked % case.steps_per_epoch == 0
    if case.loss == "cross_entropy":
        assert case.y.dtype == np.int64
        assert set(case.y) == set(range(case.sizes[-1]))
    else:
        assert case.y.dtype == np.float32
        assert case.y.shape == (len(case.X), case.sizes[-1])
        assert np.isfinite(case.y).all()
    assert [weights.shape for weights in case.weights()] == list(zip(case.sizes[:-1], case.sizes[1:], strict=True))


def test_a_case_of_unknown_words_is_refused():
    with pytest.raises(ValueError, match=r"^activation is 'gelu'; choose one of relu, tanh$"):
        small(activation="gelu")
    with pytest.raises(ValueError, match=r"^loss is 'huber'; choose one of cross_entropy, squared_error$"):
        small(loss="huber")


def test_matrix_exponential_has_the_exponentials_of_its_inputs():
    case = CASES["matrix_exponential"]()
    power, total = np.eye(2), np.eye(2)
    for order in range(1, 60):
        power = power @ case.X[0].reshape(2, 2).astype(np.float64) / order
        total = total + power
    np.testing.assert_allclose(case.y[0].reshape(2, 2), total, rtol=1e-5)
