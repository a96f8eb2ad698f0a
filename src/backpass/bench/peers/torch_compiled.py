"""PyTorch, compiled: a whole step, gradients and Adam included, is one graph.

Microseconds a step of `spiral` and `table`, one thread: this 108, 508; with its guards 133, 596, and then by
max-autotune-no-cudagraphs 160, 629; forward pass and loss compiled, the rest eager 455, 815; these and the optimizer's
step each compiled 423, 904; all eager 333, 827. Sizes and types never change here, so guards may be skipped.
"""

from __future__ import annotations

from typing import Any

from backpass.bench.cases import Case
from backpass.bench.peers.peer import Loss, Run


def start(case: Case, threads: int) -> tuple[Run, Loss]:
    import torch
    from torch.nn import functional

    torch.compiler.reset()  # without guards a step of an earlier network would be taken for this one
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # as ours does
    parameters = []
    for weights in case.weights():
        parameters += [torch.from_numpy(weights.T.copy()), torch.zeros(weights.shape[1])]
    first, second = ([torch.zeros_like(each) for each in parameters] for _ in range(2))
    count = torch.zeros(())
    activation = {"relu": torch.relu, "tanh": torch.tanh}[case.activation]
    mean_of = functional.cross_entropy if case.loss == "cross_entropy" else functional.mse_loss
    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    batches = list(zip(X.split(case.batch), y.split(case.batch), strict=True))

    def mean_loss(parameters: Any, inputs: Any, y_true: Any, dropout: float = 0.0) -> Any:
        for index in range(0, len(parameters), 2):
            inputs = functional.linear(inputs, parameters[index], parameters[index + 1])
            if index < len(parameters) - 2:
                inputs = activation(inputs)
                inputs = functional.dropout(inputs, dropout) if dropout else inputs
        return mean_of(inputs, y_true)

    def step(inputs: Any, y_true: Any) -> None:
        gradients = torch.func.grad(mean_loss)(parameters, inputs, y_true, case.dropout)
        if case.clip_norm is not None:
            norm = torch.sqrt(sum((each * each).sum() for each in gradients))
            factor = torch.clamp(case.clip_norm / norm, max=1)
            gradients = [factor * each for each in gradients]
        count.add_(1)
        c1, c2 = 1 - 0.9**count, 1 - 0.999**count
        for p, m, v, g in zip(parameters, first, second, gradients, strict=True):
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            p.mul_(1 - case.learning_rate * case.weight_decay)
            p.sub_(case.learning_rate * (m / c1) / ((v / c2).sqrt() + 1e-8))

    compiled = torch.compile(
        step, fullgraph=True, dynamic=False, options={"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
    )

    def run(steps: int) -> None:
        with torch.no_grad():
            for index in range(steps):
                compiled(*batches[index % len(batches)])

    return run, lambda: mean_loss(parameters, X, y).item()
