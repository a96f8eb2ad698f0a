"""One call from Python, one peer, one process: what `backpass bench calls` starts again and again.

    python -m backpass.bench.call_peers prediction PEER
    python -m backpass.bench.call_peers gradient PEER

prints a line of JSON: microseconds a call, and the answer that has to be everybody's: the probabilities of the
prediction, or the gradient by all parameters without dropout; what is timed has dropout on. Each peer is handed the
data in arrays of its own kind.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

TIMED_SECONDS, TIMINGS = 0.05, 5
RATE = 0.5  # of dropout

Call = Callable[..., Any]
Made = tuple[Call, dict[str, Any], np.ndarray]  # what is timed, what it is called with, the answer


def parameters(sizes: Sequence[int], dtype: type) -> list[np.ndarray]:
    """Weights (D, M) and biases (M,) of each layer in turn."""
    generator = np.random.RandomState(0)
    made = []
    for D, M in pairwise(sizes):
        made += [generator.standard_normal((D, M)) / np.sqrt(D), 0.1 * generator.standard_normal(M)]
    return [array.astype(dtype) for array in made]


def flat(arrays: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(array).ravel() for array in arrays])


PREDICTING = parameters((64, 128, 10), np.float32)
ROW = np.random.RandomState(1).standard_normal((1, 64)).astype(np.float32)
LEARNING = parameters((24, 8, 2), np.float64)
X = np.random.RandomState(2).standard_normal((200, 24))
y = np.random.RandomState(3).randint(0, 2, 200).astype(np.int64)


def backpass_prediction() -> Made:
    import backpass as bp

    layers = [bp.Dense(64, 128), bp.ReLU(), bp.Dense(128, 10), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy())
    network.parameters = flat(PREDICTING)
    return network.predict, {"X": ROW}, network.predict_proba(ROW)


def torch_prediction() -> Made:
    """Functions on tensors, 8 us: modules take 17, jit.trace with freeze 18, compile 35."""
    import torch

    torch.inference_mode().__enter__()  # entered once: it would be 2 us a call
    W1, b1, W2, b2 = map(torch.from_numpy, PREDICTING)

    def logits(X: Any) -> Any:
        return torch.addmm(b2, torch.relu(torch.addmm(b1, X, W1)), W2)

    row = torch.from_numpy(ROW)
    return lambda X: logits(X).argmax(1), {"X": row}, torch.softmax(logits(row), 1).numpy()


def jax_prediction() -> Made:
    import jax
    import jax.numpy as jnp

    W1, b1, W2, b2 = map(jnp.asarray, PREDICTING)

    def logits(X: Any) -> Any:
        return jax.nn.relu(X @ W1 + b1) @ W2 + b2

    predict = jax.jit(lambda X: logits(X).argmax(axis=1))
    row = jnp.asarray(ROW)
    return lambda X: predict(X).block_until_ready(), {"X": row}, np.asarray(jax.nn.softmax(logits(row)))


def sklearn_prediction() -> Made:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((128,))
    model.partial_fit(ROW, [0], classes=range(10))  # a model has to be fitted before it predicts
    model.coefs_, model.intercepts_ = PREDICTING[::2], PREDICTING[1::2]
    return model.predict, {"X": ROW}, model.predict_proba(ROW)


def numpy_prediction() -> Made:
    W1, b1, W2, b2 = PREDICTING

    def logits(X: np.ndarray) -> np.ndarray:
        return np.maximum(0, X @ W1 + b1) @ W2 + b2

    e = np.exp(logits(ROW) - logits(ROW).max())
    return lambda X: logits(X).argmax(axis=1), {"X": ROW}, e / e.sum()


def backpass_gradient() -> Made:
    import backpass as bp

    def network(rate: float) -> bp.Network:
        dense = [bp.Dense(24, 8, dtype=np.float64), bp.Dense(8, 2, dtype=np.float64)]
        layers = [dense[0], bp.Tanh(), bp.Dropout(rate), dense[1], bp.Softmax()]
        made = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
        made.parameters = flat(LEARNING)
        return made

    return network(RATE).gradient, {"X": X, "y": y}, network(0).gradient(X, y)[1]


def torch_gradient() -> Made:
    import torch

    leaves = [torch.from_numpy(array).requires_grad_() for array in LEARNING]
    W1, b1, W2, b2 = leaves
    functional = torch.nn.functional

    def gradient(X: Any, y: Any, rate: float = RATE) -> tuple[float, Any]:
        hidden = functional.dropout(torch.tanh(torch.addmm(b1, X, W1)), rate)
        loss = functional.cross_entropy(torch.addmm(b2, hidden, W2), y)
        return loss.item(), torch.autograd.grad(loss, leaves)

    given = {"X": torch.from_numpy(X), "y": torch.from_numpy(y)}
    return gradient, given, flat(gradient(**given, rate=0)[1])


def jax_gradient() -> Made:
    import functools

    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    leaves, key = [jnp.asarray(array) for array in LEARNING], jax.random.key(0)

    def mean_loss(leaves: Any, X: Any, y: Any, key: Any, rate: float) -> Any:
        W1, b1, W2, b2 = leaves
        hidden = jnp.tanh(X @ W1 + b1)
        if rate:
            hidden = jnp.where(jax.random.bernoulli(key, 1 - rate, hidden.shape), hidden / (1 - rate), 0)
        log_probabilities = jax.nn.log_softmax(hidden @ W2 + b2)
        return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()

    @functools.partial(jax.jit, static_argnums=4)
    def value_and_grad(leaves: Any, X: Any, y: Any, key: Any, rate: float) -> Any:
        return jax.value_and_grad(mean_loss)(leaves, X, y, key, rate)

    def gradient(X: Any, y: Any, rate: float = RATE) -> Any:
        return jax.block_until_ready(value_and_grad(leaves, X, y, key, rate))

    given = {"X": jnp.asarray(X), "y": jnp.asarray(y)}
    return gradient, given, flat(gradient(**given, rate=0)[1])


def numpy_gradient() -> Made:
    W1, b1, W2, b2 = LEARNING
    generator, rows = np.random.default_rng(0), np.arange(len(y))

    def gradient(X: np.ndarray, y: np.ndarray, rate: float = RATE) -> tuple[float, list[np.ndarray]]:
        hidden = np.tanh(X @ W1 + b1)
        mask = (generator.random(hidden.shape) >= rate) / (1 - rate)
        kept = hidden * mask
        logits = kept @ W2 + b2
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[rows, y]).mean()
        probabilities[rows, y] -= 1
        probabilities /= len(X)
        dvalues = (probabilities @ W2.T) * mask * (1 - hidden**2)
        return loss, [X.T @ dvalues, dvalues.sum(axis=0), kept.T @ probabilities, probabilities.sum(axis=0)]

    return gradient, {"X": X, "y": y}, flat(gradient(X, y, rate=0)[1])


CALLS: dict[str, dict[str, Callable[[], Made]]] = {
    "prediction": {
        "backpass": backpass_prediction,
        "torch": torch_prediction,
        "jax": jax_prediction,
        "sklearn": sklearn_prediction,
        "numpy": numpy_prediction,
    },
    "gradient": {
        "backpass": backpass_gradient,
        "torch": torch_gradient,
        "jax": jax_gradient,
        "numpy": numpy_gradient,
    },
}


def microseconds(call: Call, given: dict[str, Any]) -> float:
    """Median of some timings, each of as many calls as fill the time; the names in `given` are those of arguments."""
    timer = timeit.Timer(f"call({', '.join(given)})", globals={"call": call, **given})
    often, seconds = timer.autorange()
    often = max(1, int(often * TIMED_SECONDS / seconds))
    return 1e6 * median(timer.repeat(TIMINGS, often)) / often


if __name__ == "__main__":
    call, given, answer = CALLS[sys.argv[1]][sys.argv[2]]()
    print(json.dumps({"microseconds": microseconds(call, given), "answer": answer.ravel().tolist()}))
