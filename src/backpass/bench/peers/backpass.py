"""Ours: `Network.fit`, an epoch or many a call."""

from __future__ import annotations

from typing import Any

from backpass.bench.cases import Case
from backpass.bench.peers.peer import Loss, Run


def made(case: Case) -> tuple[Any, Any]:
    """The case's network and optimizer."""
    import backpass as bp

    activation = {"relu": bp.ReLU, "tanh": bp.Tanh}[case.activation]
    layers: list[Any] = []
    for weights in case.weights():
        dense = bp.Dense(*weights.shape)
        dense.weights = weights
        layers += [dense, activation(), *([bp.Dropout(case.dropout)] if case.dropout else [])]
    hidden = layers[: layers.index(dense) + 1]
    if case.loss == "cross_entropy":
        network = bp.Network([*hidden, bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    else:
        network = bp.Network([*hidden, bp.Linear()], bp.MeanSquaredError(), random_state=0)
    optimizer: Any
    if case.weight_decay:
        optimizer = bp.AdamW(case.learning_rate, weight_decay=case.weight_decay, clip_norm=case.clip_norm)
    else:
        optimizer = bp.Adam(case.learning_rate, clip_norm=case.clip_norm)
    return network, optimizer


def start(case: Case, threads: int) -> tuple[Run, Loss]:
    network, optimizer = made(case)

    def run(steps: int) -> None:
        network.fit(
            case.X,
            case.y,
            optimizer=optimizer,
            epochs=-(-steps // case.steps_per_epoch),
            batch_size=case.batch,
            shuffle=False,
            threads=threads,
        )

    return run, lambda: network.evaluate(case.X, case.y)["loss"]
