"""Networks that several tests train, and the same training in plain NumPy over the textbook walk."""

from __future__ import annotations

from typing import Any

import numpy as np

import backpass as bp

# name: layers for (D inputs, C outputs, dtype), loss, kind of target
ARCHITECTURES: dict[str, Any] = {
    "softmax": (lambda D, C, t: [bp.Dense(D, 9, dtype=t), bp.ReLU(), bp.Dense(9, C, dtype=t), bp.Softmax()], "cce", 4),
    "one Dense": (lambda D, C, t: [bp.Dense(D, C, dtype=t), bp.Softmax()], "cce", 3),
    "logits": (lambda D, C, t: [bp.Dense(D, 8, dtype=t), bp.Tanh(), bp.Dense(8, C, dtype=t)], "softmax", 5),
    "soft labels": (lambda D, C, t: [bp.Dense(D, 7, dtype=t), bp.ReLU(), bp.Dense(7, C, dtype=t)], "soft", 4),
    "sigmoid": (lambda D, C, t: [bp.Dense(D, 9, dtype=t), bp.Tanh(), bp.Dense(9, C, dtype=t), bp.Sigmoid()], "bce", 3),
    "yes or no": (lambda D, C, t: [bp.Dense(D, 6, dtype=t), bp.ReLU(), bp.Dense(6, C, dtype=t)], "sigmoid", 1),
    "regression": (
        lambda D, C, t: [bp.Dense(D, 7, dtype=t), bp.Sigmoid(), bp.Dense(7, C, dtype=t), bp.Linear()],
        "mse",
        4,
    ),
    "no last activation": (lambda D, C, t: [bp.Dense(D, 8, dtype=t), bp.Tanh(), bp.Dense(8, C, dtype=t)], "mse", 2),
    "softmax, squared error": (lambda D, C, t: [bp.Dense(D, C, dtype=t), bp.Softmax()], "mse", 3),
    "begins with an activation": (
        lambda D, C, t: [bp.Tanh(), bp.Dense(D, 4, dtype=t), bp.ReLU(), bp.Dense(4, C, dtype=t)],
        "mse",
        2,
    ),
    "deep": (
        lambda D, C, t: [
            layer for d, m in [(D, 8), (8, 7), (7, 9), (9, 6), (6, C)] for layer in (bp.Dense(d, m, dtype=t), bp.Tanh())
        ][:-1],
        "softmax",
        4,
    ),
    "the shelf": (
        lambda D, C, t: [
            *(bp.Dense(D, 6, dtype=t), bp.LeakyReLU(0.3), bp.Dense(6, 5, dtype=t), bp.ELU(0.7)),
            *(bp.Dense(5, 6, dtype=t), bp.SELU(), bp.Dense(6, 7, dtype=t), bp.GELU()),
            *(bp.Dense(7, 6, dtype=t), bp.GELU("tanh"), bp.Dense(6, 5, dtype=t), bp.SiLU()),
            *(bp.Dense(5, 6, dtype=t), bp.Mish(), bp.Dense(6, C, dtype=t), bp.Softplus()),
        ],
        "mse",
        3,
    ),
    "width 1": (
        lambda D, C, t: [
            bp.Dense(D, 1, dtype=t),
            bp.Tanh(),
            bp.Dense(1, 1, dtype=t),
            bp.Tanh(),
            bp.Dense(1, C, dtype=t),
        ],
        "mse",
        1,
    ),
}
LOSSES = {
    "cce": bp.CategoricalCrossentropy,
    "softmax": bp.SoftmaxCrossentropy,
    "soft": bp.SoftmaxCrossentropy,
    "bce": bp.BinaryCrossentropy,
    "sigmoid": bp.SigmoidCrossentropy,
    "mse": bp.MeanSquaredError,
}
FEATURES = 5


def problem(
    name: str, samples: int, dtype: Any = np.float64, seed: int = 0
) -> tuple[bp.Network, np.ndarray, np.ndarray]:
    """A network with random biases too, X and y."""
    make, loss, C = ARCHITECTURES[name]
    rng = np.random.default_rng(seed)
    network = bp.Network(make(FEATURES, C, dtype), LOSSES[loss](), random_state=seed)
    for layer in network.layers:
        if isinstance(layer, bp.Dense):
            layer.biases = 0.3 * rng.normal(size=layer.biases.shape)
    X = rng.normal(size=(samples, FEATURES)).astype(dtype)
    y: np.ndarray = rng.integers(0, C, samples)
    if loss in ("bce", "sigmoid"):
        y = rng.integers(0, 2, (samples, C))
    elif loss in ("mse", "soft"):
        y = rng.random((samples, C))
        y /= y.sum(axis=1, keepdims=True) if loss == "soft" else 1
    return network, X, y


def textbook(network: bp.Network, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean loss and flat gradient by the walk through the parts' own methods."""
    output = network.forward(X)
    if isinstance(network.loss, bp.fusions.Fusion):
        loss = network.loss.forward(output, y)
    else:
        loss = network.loss.calculate(output, y)
    network.backward(y)
    parts = [d for layer in network.layers for d in (getattr(layer, "dweights", None), getattr(layer, "dbiases", None))]
    return loss, np.concatenate([d.ravel() for d in parts if d is not None])


def plain_steps(
    network: bp.Network, X: np.ndarray, y: np.ndarray, optimizer: bp.Optimizer, epochs: int, batch_size: int
) -> tuple[np.ndarray, list[float]]:
    """Train in the order of the rows, in plain NumPy: the parameters at the end, the mean loss of each epoch."""
    parameters = network.parameters
    first, second, losses, t = np.zeros_like(parameters), np.zeros_like(parameters), [], 0
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(X), batch_size):
            batch = slice(start, start + batch_size)
            loss, gradient = textbook(network, X[batch], y[batch])
            total += loss * len(X[batch])
            t += 1
            if isinstance(optimizer, bp.SGD):
                first = optimizer.momentum * first - optimizer.learning_rate * gradient
                parameters += first
            else:
                first = optimizer.beta_1 * first + (1 - optimizer.beta_1) * gradient
                second = optimizer.beta_2 * second + (1 - optimizer.beta_2) * gradient**2
                m, v = first / (1 - optimizer.beta_1**t), second / (1 - optimizer.beta_2**t)
                parameters -= optimizer.learning_rate * m / (np.sqrt(v) + optimizer.epsilon)
        losses.append(total / len(X))
    return parameters.copy(), losses
