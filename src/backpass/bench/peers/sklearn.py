"""scikit-learn: MLPClassifier or MLPRegressor with the case's first weights, alpha at 0, and no stopping."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from backpass.bench.cases import Case
from backpass.bench.peers.peer import Loss, Run


def suits(case: Case) -> bool:
    """No dropout, AdamW or clipping there; and of two classes it makes another network, with one output."""
    two_classes = case.loss == "cross_entropy" and case.sizes[-1] == 2
    return not (two_classes or case.dropout or case.weight_decay or case.clip_norm)


def start(case: Case, threads: int) -> tuple[Run, Loss]:
    """Its squared error is another multiple of ours, which Adam divides out again."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    kind: Any = MLPClassifier if case.loss == "cross_entropy" else MLPRegressor
    model = kind(
        hidden_layer_sizes=case.sizes[1:-1],
        activation=case.activation,
        alpha=0,
        batch_size=case.batch,
        learning_rate_init=case.learning_rate,
        max_iter=1,
        n_iter_no_change=10**9,
        shuffle=False,
        warm_start=True,
    )

    def run(steps: int) -> None:
        model.max_iter = max(1, steps // case.steps_per_epoch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that these are too few
            model.fit(case.X, case.y)  # Adam's moments begin anew, which costs nothing

    run(1)
    for ours, theirs, biases in zip(case.weights(), model.coefs_, model.intercepts_, strict=True):
        theirs[...], biases[...] = ours, 0

    def loss() -> float:
        if case.loss == "squared_error":
            return float(np.mean((model.predict(case.X).reshape(case.y.shape) - case.y) ** 2))
        chosen = model.predict_proba(case.X)[np.arange(len(case.y)), case.y]
        return float(-np.log(np.maximum(chosen, 1e-30)).mean())

    return run, loss
