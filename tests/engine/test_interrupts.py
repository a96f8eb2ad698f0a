"""Ctrl-C is served within the step in progress, whatever steps take, and what was learnt is kept."""

import numpy as np
import pytest

import backpass as bp
from backpass.stepping import CompiledSteps
from tests.engine.fresh import printed

FITS = {
    "network": "network.fit(X, y, epochs=10**7, batch_size=100)",
    "network, one batch": "network.fit(X, y, epochs=10**7)",
    "LBFGS": "network.fit(X, y, optimizer=bp.LBFGS(tolerance=0), epochs=10**7)",
    "estimator": "estimator().fit(X, y)",
    "estimator, sparse": "estimator().fit(scipy.sparse.csr_matrix(X), y)",
    "ensemble": "estimator(n_ensemble=4).fit(X, y)",
    "ensemble in one thread": "estimator(n_ensemble=3, n_threads=1).fit(X, y)",
    "lbfgs": "estimator(solver='lbfgs', tol=0, max_fun=10**7).fit(X, y)",
}

INTERRUPTED = """
import os, signal, threading, time, warnings
import numpy as np, scipy.sparse, backpass as bp
warnings.simplefilter("ignore")
generator = np.random.default_rng(0)
X = generator.normal(size=(2000, 20))
y = np.sin(3 * X[:, 0]) * X[:, 1]
network = bp.Network([bp.Dense(20, 100), bp.Tanh(), bp.Dense(100, 1)], bp.MeanSquaredError(), random_state=0)
made = []
def estimator(**options):
    made.append(bp.MLPRegressor(hidden_layer_sizes=(100, 100), max_iter=10**6, n_iter_no_change=10**6, **options))
    return made[-1]
asked = []
def interrupt():
    asked.append(time.process_time())
    os.kill(os.getpid(), signal.SIGINT)
{fit_once}
before = network.parameters.copy()
threading.Timer(0.5, interrupt).start()
try:
    {fit}
    raised = False
except KeyboardInterrupt:
    raised = True
seconds = time.process_time() - asked[0]
assert seconds < 0.3, seconds
assert threading.active_count() == 1
if made:
    model = made[-1]
    assert not raised and model.n_iter_ >= 1 and np.isfinite(model.loss_), vars(model)
    assert np.isfinite(model.predict(X)).all()
else:
    assert raised and not np.array_equal(before, network.parameters)
print("well")
"""


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_ctrl_c_ends_a_fit_in_time_and_keeps_what_was_learnt(fit):
    once = fit.replace("10**7", "1").replace("estimator(", "estimator().set_params(max_iter=2).set_params(")
    assert printed(INTERRUPTED.format(fit=fit, fit_once=once)) == "well"


def test_a_chunk_ends_by_the_clock_even_if_steps_take_much_longer_than_those_before():
    X, y = bp.datasets.spiral(100, 3, random_state=0)
    network = bp.Network([bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()], bp.CategoricalCrossentropy())
    targets = network.targets(y, network.samples(X))
    with CompiledSteps(network, network.samples(X), targets, bp.Adam(), epochs=10**6, batch=len(X)) as steps:
        while steps.made < 200:
            steps.advance_a_while(steps.total)
        begun, steps.chunk = steps.made, 10**6  # as if a step had taken 50 ns
        steps.advance_a_while(steps.total)
        assert 1 <= steps.made - begun < 10**5


def test_a_callback_that_is_told_by_the_clock_may_end_the_training_within_an_epoch():
    class Enough:
        def on_progress(self, done, epoch, epochs, loss):
            return True

    X = np.random.default_rng(0).normal(size=(100_000, 20))
    network = bp.Network([bp.Dense(20, 50), bp.ReLU(), bp.Dense(50, 1)], bp.MeanSquaredError(), random_state=0)
    history = network.fit(X, X[:, 0], epochs=1000, batch_size=1, callbacks=[Enough()])
    assert history.stopped
    assert history.epochs == 0
    assert 0 < network.trained[1] < len(X)
