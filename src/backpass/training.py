"""Training: epochs, validation, callbacks, the history. The steps themselves are the engine's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import checks
from backpass.engine.threads import available_cores
from backpass.optimizers.lbfgs import LBFGS
from backpass.optimizers.optimizer import OPTIMIZERS, Optimizer
from backpass.optimizers.schedules import Schedule
from backpass.stepping import CompiledSteps, Steps, WalkedSteps, remedy

if TYPE_CHECKING:
    from backpass.network import Network

BETWEEN = 0.1  # seconds between two words on progress
SCALE = "standardise the inputs and targets"


class History:
    """What a fit recorded.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch, over its batches, each before its step.
    validation : list of dict
        After each epoch, what `evaluate` says of the validation data, if there is any.
    epochs : int
        How many epochs were completed.
    stopped : bool
        Whether a callback ended the run early.
    reason : str
        Why the fit ended: "all epochs", "a callback", or what SciPy said (L-BFGS).
    """

    def __init__(self) -> None:
        self.reason = "all epochs"
        self.loss: list[float] = []
        self.validation: list[dict[str, float]] = []
        self.stopped = False

    @property
    def epochs(self) -> int:
        return len(self.loss)

    def figures(self, epoch: int) -> dict[str, float]:
        """Figures of one epoch by name: loss, validation_loss, validation_accuracy ..."""
        validation = self.validation[epoch] if self.validation else {}
        return {"loss": self.loss[epoch], **{f"validation_{name}": value for name, value in validation.items()}}

    def rows(self) -> list[dict[str, float]]:
        """One dict an epoch, the epoch's number (from 1) first: what history.csv holds."""
        return [{"epoch": epoch + 1, **self.figures(epoch)} for epoch in range(self.epochs)]

    def __repr__(self) -> str:
        last = (
            ", ".join(f"{name} {value:.4g}" for name, value in self.figures(-1).items()) if self.loss else "nothing yet"
        )
        return f"<History of {self.epochs} epochs: {last}>"


class Progress:
    """The callback behind `verbose=True`: one line on stderr, written when the clock says so."""

    def on_progress(self, done: float, epoch: int, epochs: int, loss: float) -> None:
        print(f"\repoch {epoch}/{epochs}  loss {loss:.4f}  {done:4.0%}", end="", file=sys.stderr, flush=True)

    def on_fit_end(self) -> None:
        print(file=sys.stderr)


def optimizer_of(optimizer: Any) -> Optimizer:
    if isinstance(optimizer, str):
        return OPTIMIZERS[checks.one_of(optimizer.lower(), "optimizer", OPTIMIZERS)]()  # type: ignore[call-arg]
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer is {optimizer!r}; pass one of {', '.join(OPTIMIZERS)}, or an Optimizer such as Adam()"
        )
    return optimizer


def fit(
    network: Network,
    X: Any,
    y: Any,
    *,
    optimizer: Any,
    epochs: int,
    batch_size: int | None,
    validation_data: Sequence[Any] | None,
    shuffle: bool,
    sample_weight: Any,
    callbacks: Iterable[Any],
    verbose: bool,
    threads: int | None,
) -> History:
    """See `Network.fit`. Everything is checked before anything is changed."""
    X = network.samples(X)
    targets = network.targets(y, X)
    optimizer = optimizer_of(optimizer)
    epochs = checks.positive_integer(epochs, "epochs")
    batch = len(X) if batch_size is None else min(checks.positive_integer(batch_size, "batch_size"), len(X))
    weights = None if sample_weight is None else checks.weights(sample_weight, "sample_weight", X, "X")
    threads = available_cores() if threads is None else checks.positive_integer(threads, "threads")
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise TypeError("validation_data must be a pair (X, y)")
        names = "validation_data[0]", "validation_data[1]"
        held_out = network.samples(validation_data[0], names[0])
        validation_data = held_out, network.targets(validation_data[1], held_out, names[1], names[0])
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks is {callbacks!r}; pass a list of objects with on_epoch_end or on_progress")
    listeners = [*callbacks, *([Progress()] if verbose else [])]
    for listener in listeners:
        if isinstance(listener, Schedule):
            raise TypeError(f"callbacks holds {listener!r}; pass it as the learning_rate of the optimizer")
        if not hasattr(listener, "on_epoch_end") and not hasattr(listener, "on_progress"):
            raise TypeError(f"callbacks holds {listener!r}; pass objects with on_epoch_end or on_progress")
    if hasattr(optimizer.schedule, "on_epoch_end"):  # it follows the figures
        watch, known = getattr(optimizer.schedule, "watch", "loss"), network.figure_names(validation_data is not None)
        if watch not in (*known, "validation_loss"):  # for that one it takes the loss of training where there is none
            raise ValueError(f"watch is {watch!r}; the figures of an epoch will be {', '.join(known)}")
        listeners.insert(0, optimizer.schedule)
    telling = Telling(network, optimizer, listeners, validation_data, epochs)
    if isinstance(optimizer, LBFGS):
        if batch < len(X):
            raise ValueError(f"batch_size is {batch_size}; LBFGS takes all {len(X)} samples at once: leave it out")
        fit_lbfgs(network, X, targets, optimizer, epochs, weights, telling)
    else:
        kind = CompiledSteps if network.compiled else WalkedSteps
        options: dict[str, Any] = {"epochs": epochs, "batch": batch, "shuffle": bool(shuffle), "weights": weights}
        with kind(network, X, targets, optimizer, threads=threads, **options) as steps:
            run(steps, telling, float(len(X) if weights is None else weights.sum()))
    if verbose:
        listeners[-1].on_fit_end()
    if telling.history.stopped:
        telling.history.reason = "a callback"
    if not np.isfinite(network.parameters).all():
        raise FloatingPointError(
            f"the last step, {network.trained[1]}, left weights that are not finite; {remedy(optimizer)}"
        )
    return telling.history


def says_stop(answer: Any) -> bool:
    """Whether what a callback returned ends the training: True does, a number that counts as true does not."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


class Telling:
    """What happens between steps: the history, validation, callbacks."""

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        listeners: Sequence[Any],
        validation_data: Sequence[np.ndarray] | None,
        epochs: int,
    ):
        self.network, self.optimizer, self.validation_data, self.epochs = network, optimizer, validation_data, epochs
        self.history = History()
        self.after_epoch = [each.on_epoch_end for each in listeners if hasattr(each, "on_epoch_end")]
        self.by_clock = [each.on_progress for each in listeners if hasattr(each, "on_progress")]
        self.told = 0.0

    @property
    def at_each_epoch(self) -> bool:
        return bool(self.after_epoch) or self.validation_data is not None

    def epoch_over(self) -> None:
        history = self.history
        with self.optimizer.shown(self.network.parameters):
            if self.validation_data is not None:
                history.validation.append(self.network.evaluate(*self.validation_data))
            figures = history.figures(-1)
            answers = [call(history.epochs, figures) for call in self.after_epoch]
        history.stopped = any(map(says_stop, answers))

    def progress(self, done: float, loss: float) -> None:
        if self.by_clock and (time.perf_counter() - self.told > BETWEEN or done >= 1 or self.history.stopped):
            self.told = time.perf_counter()
            answers = [call(done, self.history.epochs, self.epochs, loss) for call in self.by_clock]
            self.history.stopped |= any(map(says_stop, answers))


def run(steps: Steps, telling: Telling, weight: float) -> None:
    """All steps, in pieces that end when the clock or an epoch says so."""
    history = telling.history
    while steps.made < steps.total and not history.stopped:
        epoch_ends = (history.epochs + 1) * steps.per_epoch
        steps.advance_a_while(epoch_ends if telling.at_each_epoch else steps.total)
        history.loss += (steps.losses[history.epochs : steps.made // steps.per_epoch] / weight).tolist()
        if telling.at_each_epoch and steps.made % steps.per_epoch == 0:
            telling.epoch_over()
        telling.progress(steps.made / steps.total, history.loss[-1] if history.loss else steps.loss)


def fit_lbfgs(
    network: Network,
    X: np.ndarray,
    targets: np.ndarray,
    optimizer: LBFGS,
    epochs: int,
    weights: np.ndarray | None,
    telling: Telling,
) -> None:
    """Minimise loss and penalties by SciPy's L-BFGS-B; one epoch of the history is one of its iterations."""
    from scipy.optimize import minimize

    changing = [layer for layer in network.layers if layer.compiled and layer.counts]
    if changing:
        raise ValueError(
            f"{changing[0]!r} makes the loss another one each time; train with another optimizer than LBFGS"
        )
    optimizer.attach(network, network.parameters)
    accepted = network.parameters.copy()

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        network.parameters[:] = flat
        loss, gradient = network.gradient_of(X, targets, weights)
        return loss, gradient.astype(np.float64)

    def iteration_over(intermediate_result: Any) -> None:
        network.parameters[:] = accepted[:] = intermediate_result.x
        optimizer.iterations += 1
        network.trained = network.trained[0] + 1, network.trained[1] + 1
        loss = float(intermediate_result.fun) - network.penalty()
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in iteration {telling.history.epochs + 1}; {SCALE}")
        telling.history.loss.append(loss)
        if telling.at_each_epoch:
            telling.epoch_over()
        telling.progress(telling.history.epochs / epochs, loss)
        if telling.history.stopped:
            raise StopIteration

    start = network.parameters.astype(np.float64)
    if not np.isfinite(objective(start)[0]):
        raise FloatingPointError(f"the loss is not finite at the weights that the fit begins with; {SCALE}")
    options = {
        "maxiter": epochs,
        "maxcor": optimizer.memory,
        "gtol": optimizer.tolerance,
        "ftol": 0.0,
        "maxfun": optimizer.evaluations or 20 * epochs,
    }
    try:
        best = minimize(objective, start, jac=True, method="L-BFGS-B", options=options, callback=iteration_over)
    except BaseException:  # Ctrl-C in the middle of a line search, say
        network.parameters[:] = accepted
        raise
    network.parameters[:] = best.x
    telling.history.reason = "all epochs" if best.nit >= epochs else str(best.message)
