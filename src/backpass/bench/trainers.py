"""A case trained by ourselves, PyTorch and JAX, for what is measured besides the time of a step.

Each is made once, with the network, the data and the optimizer's state, and then makes as many steps as it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.bench.cases import Case

Run = Callable[[int], None]  # train so many steps more


def clouds(sizes: tuple[int, ...], rows: int, batch: int) -> Case:
    """Rows around nothing, in float32, with labels that depend on them; drawn without large temporaries."""
    generator = np.random.default_rng(0)
    X = np.empty((rows, sizes[0]), np.float32)
    generator.standard_normal(out=X, dtype=np.float32)
    y = generator.integers(0, sizes[-1], rows)
    y[X[:, 0] > 0] = 0
    return Case("x".join(map(str, sizes)), sizes, X, y, batch)


def backpass_trainer(case: Case, threads: int | None = None) -> Run:
    import backpass as bp

    layers: list[Any] = []
    for D, M, weights in zip(case.sizes[:-1], case.sizes[1:], case.weights(), strict=True):
        layers += [bp.Dense(D, M), bp.ReLU()]
        layers[-2].weights = weights
    network = bp.Network([*layers[:-1], bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    optimizer = bp.Adam(case.learning_rate)
    fixed: dict[str, Any] = {"batch_size": case.batch, "shuffle": False, "threads": threads}

    def run(steps: int) -> None:
        network.fit(case.X, case.y, optimizer=optimizer, epochs=-(-steps // case.steps_per_epoch), **fixed)

    return run


def torch_trainer(case: Case, threads: int | None = None) -> Run:
    """Eager, with the fused Adam, on slices of tensors."""
    import torch

    torch.set_num_threads(threads or 2)
    layers: list[Any] = []
    for D, M, weights in zip(case.sizes[:-1], case.sizes[1:], case.weights(), strict=True):
        layers += [torch.nn.Linear(D, M), torch.nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(weights.T.copy()))
            layers[-2].bias.zero_()
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=case.learning_rate, fused=True)
    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    batches = [(X[i : i + case.batch], y[i : i + case.batch]) for i in range(0, len(X), case.batch)]

    def run(steps: int) -> None:
        for step in range(steps):
            inputs, labels = batches[step % len(batches)]
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return run


def jax_trainer(case: Case, threads: int | None = None) -> Run:
    """A jitted step with donated parameters, compiled in the first; JAX uses as many threads as there are cores."""
    import functools

    import jax
    import jax.numpy as jnp

    parameters = [(jnp.asarray(weights), jnp.zeros(weights.shape[1])) for weights in case.weights()]
    moments = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    state = [parameters, *moments, jnp.zeros((), jnp.int32)]
    starts = range(0, len(case.X), case.batch)
    batches = [tuple(jnp.asarray(array[i : i + case.batch]) for array in (case.X, case.y)) for i in starts]

    def mean_loss(parameters: Any, inputs: Any, labels: Any) -> Any:
        for weights, biases in parameters[:-1]:
            inputs = jax.nn.relu(inputs @ weights + biases)
        logits = inputs @ parameters[-1][0] + parameters[-1][1]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, inputs: Any, labels: Any) -> Any:
        parameters, first, second, made = state
        made += 1
        gradients = jax.grad(mean_loss)(parameters, inputs, labels)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate, root = case.learning_rate / (1 - 0.9**made), 1 - 0.999**made
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / root) + 1e-8), parameters, first, second)
        return [parameters, first, second, made]

    def run(steps: int) -> None:
        for index in range(steps):
            state[:] = step(list(state), *batches[index % len(batches)])
        jax.block_until_ready(state)

    return run


TRAINERS: dict[str, Callable[..., Run]] = {
    "backpass": backpass_trainer,
    "torch": torch_trainer,
    "jax": jax_trainer,
}


def seconds_of(run: Run, steps: int) -> float:
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def steps_that_last(seconds: float, case: Case, run: Run) -> int:
    """How many, in whole epochs, once all is warm."""
    steps = case.steps_per_epoch
    run(steps)
    while (taken := seconds_of(run, steps)) < seconds / 4:
        steps *= 2
    return max(1, round(steps * seconds / taken / case.steps_per_epoch)) * case.steps_per_epoch
