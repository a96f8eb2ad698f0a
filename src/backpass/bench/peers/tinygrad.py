"""tinygrad: a step under TinyJit on the CPU, whose kernels clang compiles (Debian: apt-get install clang).

Microseconds a step of `spiral` and `digits`: 900 to 1,600 and 800 to 1,300, NumPy's 150 and 110. Its search for better
kernels (BEAM=2) gives 680 and 1,100 after 45 seconds. So it is measured only when asked for, and on these two.
"""

from __future__ import annotations

import os

import numpy as np

from backpass.bench.cases import Case
from backpass.bench.peers.peer import Loss, Run


def suits(case: Case) -> bool:
    return case.name in ("spiral", "digits")


def start(case: Case, threads: int) -> tuple[Run, Loss]:
    os.environ["DEV"] = "CPU"
    from tinygrad import Device, Tensor, TinyJit, nn
    from tinygrad.helpers import Context

    parameters = []
    for weights in case.weights():
        parameters += [Tensor(array).is_param_(True) for array in (weights, np.zeros(weights.shape[1], np.float32))]
    optimizer = nn.optim.Adam(parameters, lr=case.learning_rate)
    y = case.y.astype(np.int32)
    batches = [
        (Tensor(case.X[i : i + case.batch].copy()).realize(), Tensor(y[i : i + case.batch].copy()).realize())
        for i in range(0, len(y), case.batch)
    ]

    def mean_loss(inputs: Tensor, labels: Tensor) -> Tensor:
        for index in range(0, len(parameters), 2):
            inputs = inputs @ parameters[index] + parameters[index + 1]
            inputs = inputs.relu() if index < len(parameters) - 2 else inputs
        return inputs.sparse_categorical_crossentropy(labels)

    @TinyJit
    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        mean_loss(inputs, labels).backward()
        optimizer.step()

    def run(steps: int) -> None:
        with Context(TRAINING=1):
            for index in range(steps):
                step(*batches[index % len(batches)])
        Device[Device.DEFAULT].synchronize()

    return run, lambda: mean_loss(Tensor(case.X), Tensor(y)).item()
