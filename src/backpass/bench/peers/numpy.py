"""NumPy: as the notebook writes it, its combined step included, and what a case wants beside it."""

from __future__ import annotations

import numpy as np

from backpass.bench.cases import Case
from backpass.bench.peers.peer import Loss, Run

Arrays = list[np.ndarray]


def forward(
    case: Case, parameters: Arrays, inputs: np.ndarray, generator: np.random.Generator | None = None
) -> tuple[Arrays, Arrays, Arrays, np.ndarray]:
    """What each layer is given, what each activation gave, the masks between the two, and the predictions."""
    given, active, masks = [inputs], [], []
    for weights, biases in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        sums = given[-1] @ weights + biases
        active.append(np.maximum(0, sums) if case.activation == "relu" else np.tanh(sums))
        given.append(active[-1])
        if case.dropout and generator is not None:
            kept = generator.random(sums.shape, np.float32) >= np.float32(case.dropout)
            masks.append(kept / np.float32(1 - case.dropout))
            given[-1] = active[-1] * masks[-1]
    y_pred = given[-1] @ parameters[-2] + parameters[-1]
    if case.loss == "cross_entropy":
        e = np.exp(y_pred - y_pred.max(axis=1, keepdims=True))
        y_pred = e / e.sum(axis=1, keepdims=True)
    return given, active, masks, y_pred


def mean_loss(case: Case, y_pred: np.ndarray, y_true: np.ndarray) -> float:
    if case.loss == "squared_error":
        return float(np.mean((y_pred - y_true) ** 2))
    return float(-np.log(np.maximum(y_pred[np.arange(len(y_true)), y_true], 1e-30)).mean())


def backward(
    case: Case, parameters: Arrays, inputs: np.ndarray, y_true: np.ndarray, generator: np.random.Generator
) -> Arrays:
    """The gradient of the mean loss by each of the parameters."""
    given, active, masks, dvalues = forward(case, parameters, inputs, generator)
    if case.loss == "cross_entropy":
        dvalues[range(len(y_true)), y_true] -= 1
        dvalues /= len(y_true)
    else:
        dvalues = 2 * (dvalues - y_true) / y_true.size
    gradients: Arrays = []
    for index in reversed(range(len(given))):
        gradients = [given[index].T @ dvalues, dvalues.sum(axis=0, keepdims=True), *gradients]
        if index:
            dvalues = dvalues @ parameters[2 * index].T
            if masks:
                dvalues *= masks[index - 1]
            if case.activation == "relu":
                dvalues[active[index - 1] <= 0] = 0
            else:
                dvalues *= 1 - active[index - 1] ** 2
    return gradients


def start(case: Case, threads: int) -> tuple[Run, Loss]:
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    parameters = [
        array for weights in case.weights() for array in (weights, np.zeros((1, weights.shape[1]), np.float32))
    ]
    first, second = ([np.zeros_like(array) for array in parameters] for _ in range(2))
    generator = np.random.default_rng(0)
    done = 0

    def run(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            rows = slice(begin := done % case.steps_per_epoch * case.batch, begin + case.batch)
            gradients = backward(case, parameters, case.X[rows], case.y[rows], generator)
            if case.clip_norm is not None:
                norm = np.sqrt(sum(np.vdot(gradient, gradient) for gradient in gradients))
                gradients = [gradient * min(1, case.clip_norm / norm) for gradient in gradients]
            done += 1
            rate, root = case.learning_rate / (1 - 0.9**done), 1 - 0.999**done
            for at, gradient in enumerate(gradients):
                first[at] = 0.9 * first[at] + 0.1 * gradient
                second[at] = 0.999 * second[at] + 0.001 * gradient**2
                if case.weight_decay:
                    parameters[at] *= 1 - case.learning_rate * case.weight_decay
                parameters[at] -= rate * first[at] / (np.sqrt(second[at] / root) + 1e-8)

    def loss() -> float:
        *_, y_pred = forward(case, parameters, case.X)
        return mean_loss(case, y_pred, case.y)

    return run, loss
