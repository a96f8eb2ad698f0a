"""One peer, one case, one process: what `backpass bench train` starts again and again.

    python -m backpass.bench.peers CASE PEER THREADS

prints a line of JSON: microseconds a step, the loss on all data after the first `checked` steps of the case, how many
seconds these took (compiling included), the peak of memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.bench.cases import CASES, Case

TIMED_SECONDS = 0.4

Run = Callable[[int], None]  # train so many steps more
Loss = Callable[[], float]


def backpass_peer(case: Case, threads: int) -> tuple[Run, Loss]:
    import backpass as bp

    layers: list[Any] = []
    for D, M, weights in zip(case.sizes[:-1], case.sizes[1:], case.weights(), strict=True):
        layers += [bp.Dense(D, M), bp.ReLU()]
        layers[-2].weights = weights
    network = bp.Network([*layers[:-1], bp.Softmax()], bp.CategoricalCrossentropy())
    optimizer = bp.Adam(case.learning_rate)

    def run(steps: int) -> None:
        epochs = -(-steps // case.steps_per_epoch)
        network.fit(
            case.X, case.y, optimizer=optimizer, epochs=epochs, batch_size=case.batch, shuffle=False, threads=threads
        )

    return run, lambda: network.evaluate(case.X, case.y)["loss"]


def torch_peer(case: Case, threads: int) -> tuple[Run, Loss]:
    """Eager, with the fused Adam, on slices of tensors (a DataLoader would be slower)."""
    import torch

    torch.set_num_threads(threads)
    layers: list[Any] = []
    for D, M, weights in zip(case.sizes[:-1], case.sizes[1:], case.weights(), strict=True):
        layers += [torch.nn.Linear(D, M), torch.nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(weights.T.copy()))
            layers[-2].bias.zero_()
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=case.learning_rate, fused=True)
    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    cross_entropy = torch.nn.functional.cross_entropy
    batches = [(X[i : i + case.batch], y[i : i + case.batch]) for i in range(0, len(X), case.batch)]

    def run(steps: int) -> None:
        for step in range(steps):
            inputs, labels = batches[step % len(batches)]
            loss = cross_entropy(model(inputs), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def loss() -> float:
        with torch.no_grad():
            return cross_entropy(model(X), y).item()

    return run, loss


def jax_peer(case: Case, threads: int) -> tuple[Run, Loss]:
    """A scan over the batches in one jitted call, with donated parameters."""
    import functools

    import jax
    import jax.numpy as jnp

    weights = [(jnp.asarray(w), jnp.zeros((1, w.shape[1]), jnp.float32)) for w in case.weights()]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = [weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32)]
    X = jnp.asarray(case.X.reshape(case.steps_per_epoch, case.batch, -1))
    y = jnp.asarray(case.y.reshape(case.steps_per_epoch, case.batch))

    def mean_loss(parameters: Any, inputs: Any, labels: Any) -> Any:
        for index, (weight, bias) in enumerate(parameters):
            inputs = inputs @ weight + bias
            if index < len(parameters) - 1:
                inputs = jax.nn.relu(inputs)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(inputs), labels[:, None], axis=1)
        return -chosen.mean()

    def adam(state: Any, batch: Any) -> Any:
        parameters, first, second, step = state
        step += 1
        gradients = jax.grad(mean_loss)(parameters, *batch)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        c1, c2 = 1 - 0.9**step, 1 - 0.999**step
        parameters = jax.tree.map(
            lambda p, m, v: p - case.learning_rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), parameters, first, second
        )
        return (parameters, first, second, step), None

    @functools.partial(jax.jit, donate_argnums=0, static_argnums=3)
    def epochs(state: Any, X: Any, y: Any, count: int) -> Any:
        def epoch(state: Any, _: Any) -> Any:
            return jax.lax.scan(adam, state, (X, y))

        return jax.lax.scan(epoch, state, length=count)[0]

    def run(steps: int) -> None:
        state[:] = epochs(tuple(state), X, y, max(1, steps // case.steps_per_epoch))
        jax.block_until_ready(state[0])

    return run, lambda: float(mean_loss(state[0], jnp.asarray(case.X), jnp.asarray(case.y)))


def sklearn_peer(case: Case, threads: int) -> tuple[Run, Loss]:
    """MLPClassifier, with the case's first weights; its alpha at 0, and no stopping.

    For more than two classes: of two it makes another network, with one output.
    """
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    fixed = {"alpha": 0, "shuffle": False, "n_iter_no_change": 10**9, "warm_start": True}
    model = MLPClassifier(
        case.sizes[1:-1], batch_size=case.batch, learning_rate_init=case.learning_rate, max_iter=1, **fixed
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
        chosen = model.predict_proba(case.X)[np.arange(len(case.y)), case.y]
        return float(-np.log(np.maximum(chosen, 1e-30)).mean())

    return run, loss


def numpy_peer(case: Case, threads: int) -> tuple[Run, Loss]:
    """As the notebook writes it, its combined step included, and Adam beside it."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    parameters = [
        array for weights in case.weights() for array in (weights, np.zeros((1, weights.shape[1]), np.float32))
    ]
    first, second = ([np.zeros_like(array) for array in parameters] for _ in range(2))
    done = 0

    def forward(inputs: np.ndarray) -> list[np.ndarray]:
        flowing = [inputs]
        for index in range(0, len(parameters), 2):
            sums = flowing[-1] @ parameters[index] + parameters[index + 1]
            flowing.append(np.maximum(0, sums) if index < len(parameters) - 2 else sums)
        e = np.exp(flowing[-1] - flowing[-1].max(axis=1, keepdims=True))
        flowing[-1] = e / e.sum(axis=1, keepdims=True)
        return flowing

    def run(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            start = done % case.steps_per_epoch * case.batch
            labels = case.y[start : start + case.batch]
            flowing = forward(case.X[start : start + case.batch])
            dvalues = flowing[-1].copy()
            dvalues[range(case.batch), labels] -= 1
            dvalues /= case.batch
            done += 1
            rate, root = case.learning_rate / (1 - 0.9**done), 1 - 0.999**done
            for index in reversed(range(0, len(parameters), 2)):
                gradients = flowing[index // 2].T @ dvalues, dvalues.sum(axis=0, keepdims=True)
                if index:
                    dvalues = dvalues @ parameters[index].T
                    dvalues[flowing[index // 2] <= 0] = 0
                for at, gradient in zip((index, index + 1), gradients, strict=True):
                    first[at] = 0.9 * first[at] + 0.1 * gradient
                    second[at] = 0.999 * second[at] + 0.001 * gradient**2
                    parameters[at] -= rate * first[at] / (np.sqrt(second[at] / root) + 1e-8)

    def loss() -> float:
        chosen = forward(case.X)[-1][np.arange(len(case.y)), case.y]
        return float(-np.log(np.maximum(chosen, 1e-30)).mean())

    return run, loss


PEERS: dict[str, Callable[[Case, int], tuple[Run, Loss]]] = {
    "backpass": backpass_peer,
    "torch": torch_peer,
    "jax": jax_peer,
    "sklearn": sklearn_peer,
    "numpy": numpy_peer,
}


def measure(case_name: str, peer: str, threads: int) -> dict[str, float]:
    case = CASES[case_name]()
    run, loss = PEERS[peer](case, threads)
    start = time.perf_counter()
    run(case.checked)  # the first call compiles, where a peer does
    first = time.perf_counter() - start
    checked = loss()
    steps = case.checked  # as many as fill the time, and always whole epochs
    run(steps)
    start = time.perf_counter()
    run(steps)
    steps = max(1, int(steps * TIMED_SECONDS / (time.perf_counter() - start) / case.checked)) * case.checked
    run(steps)
    start = time.perf_counter()
    run(steps)
    return {
        "microseconds": 1e6 * (time.perf_counter() - start) / steps,
        "loss": checked,
        "first_seconds": first,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    np.seterr(all="ignore")
    case_name, peer, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if peer == "floor":
        from backpass.bench.floor import measure_floor

        print(json.dumps(measure_floor(CASES[case_name]())))
    else:
        print(json.dumps(measure(case_name, peer, threads)))
