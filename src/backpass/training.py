"""Training: epochs, validation, callbacks, the history. The steps themselves are the engine's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import checks
from backpass.engine import loop
from backpass.engine.plan import Plan
from backpass.engine.threads import Helpers, available_cores, fits
from backpass.optimizers.optimizer import OPTIMIZERS, Optimizer

if TYPE_CHECKING:
    from backpass.network import Network

CHUNK_SECONDS = 0.05  # compiled code is left this often, for Ctrl-C and the progress bar
HELPERS_PAY_AFTER = 0.002  # seconds of work from which starting threads is worth it


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
    """

    def __init__(self) -> None:
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
        end = "\n" if done >= 1 else ""
        print(f"\repoch {epoch}/{epochs}  loss {loss:.4f}  {done:4.0%}", end=end, file=sys.stderr, flush=True)


def optimizer_of(optimizer: Any) -> Optimizer:
    if isinstance(optimizer, str):
        return OPTIMIZERS[checks.one_of(optimizer.lower(), "optimizer", OPTIMIZERS)]()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer is {optimizer!r}; pass one of {', '.join(OPTIMIZERS)}, or an Optimizer such as Adam()"
        )
    return optimizer


def weights_of(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    weights = np.require(checks.numbers(sample_weight, "sample_weight"), np.float64, ("C_CONTIGUOUS", "ALIGNED"))
    checks.finite(weights, "sample_weight")
    if weights.ndim != 1:
        raise ValueError(f"sample_weight has shape {weights.shape}; pass one number a sample, ({len(X)},)")
    checks.same_length(X, "X", weights, "sample_weight")
    if (weights < 0).any() or not weights.any():
        what = f"{weights.min()} in row {int(weights.argmin())}" if (weights < 0).any() else "nothing but 0"
        raise ValueError(f"sample_weight holds {what}; weights are at least 0 and not all 0")
    return weights / weights.max()  # only their ratios matter, and sums of these neither overflow nor vanish


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
    weights = None if sample_weight is None else weights_of(sample_weight, X)
    threads = available_cores() if threads is None else checks.positive_integer(threads, "threads")
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise TypeError("validation_data must be a pair (X, y)")
        names = "validation_data[0]", "validation_data[1]"
        held_out = network.samples(validation_data[0], names[0])
        validation_data = held_out, network.targets(validation_data[1], held_out, names[1], names[0])
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks is {callbacks!r}; pass a list of objects with on_epoch_end or on_progress")
    callbacks = [*callbacks, *([Progress()] if verbose else [])]

    losses, steps_per_epoch = np.zeros(epochs), -(-len(X) // batch)
    plan = plan_of_training(network, X, targets, optimizer, batch, bool(shuffle), weights, threads)
    plan.set(epoch_losses=losses.ctypes.data)
    plan.keep.append(losses)
    history = History()
    weight = len(X) if weights is None else weights.sum()
    after_epoch = [callback.on_epoch_end for callback in callbacks if hasattr(callback, "on_epoch_end")]
    by_clock = [callback.on_progress for callback in callbacks if hasattr(callback, "on_progress")]
    step, total, chunk, told, before = 0, epochs * steps_per_epoch, 1, 0.0, optimizer.iterations
    with fits.one_more(threads if plan.chain.wide else 1), Helpers(plan) as helpers:
        while step < total and not history.stopped:
            goal = min(step + chunk, total)
            if after_epoch or validation_data is not None:
                goal = min(goal, (history.epochs + 1) * steps_per_epoch)
            plan.set(last_step=goal)
            start = time.perf_counter()
            try:
                plan.run(plan.address, 0)
            finally:  # Ctrl-C is raised on the way back, after the steps were made
                optimizer.iterations = before + int(plan.words[loop.STEP])
            seconds = (time.perf_counter() - start) / (goal - step)
            step = int(plan.words[loop.STEP])
            refuse_broken(plan, optimizer, steps_per_epoch)
            # at most twice as many as before: the last batch of an epoch may be a short one
            chunk = min(2 * chunk, max(1, int(CHUNK_SECONDS / max(seconds, 1e-9))))
            if not helpers.threads and (total - step) * seconds > HELPERS_PAY_AFTER:
                helpers.start()
            helpers.allow(len(fits.running))

            history.loss += (losses[history.epochs : step // steps_per_epoch] / weight).tolist()
            if step % steps_per_epoch == 0:
                if validation_data is not None:
                    history.validation.append(network.evaluate(*validation_data))
                if after_epoch:
                    figures = history.figures(-1)
                    answers = [call(history.epochs, figures) for call in after_epoch]
                    history.stopped = any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)
            if by_clock and (time.perf_counter() - told > 0.1 or step == total or history.stopped):
                told = time.perf_counter()
                loss = history.loss[-1] if history.loss else float(plan.losses[:-1].sum())  # the last step's
                for call in by_clock:
                    call(step / total, history.epochs, epochs, loss)
    if not np.isfinite(network.parameters).all():
        raise FloatingPointError(f"the last step, {step}, left weights that are not finite; {remedy(optimizer)}")
    return history


def plan_of_training(
    network: Network,
    X: np.ndarray,
    targets: np.ndarray,
    optimizer: Optimizer,
    batch: int,
    shuffle: bool,
    weights: np.ndarray | None,
    threads: int,
) -> Plan:
    """A plan whose run makes the steps from STEP to LAST_STEP."""
    shuffle = shuffle and batch < len(X)  # a batch of everything has no order
    chain = network.chain(labels=targets.ndim == 1)
    plan = Plan(chain, batch, backward=True, workers=min(threads, chain.partitions(batch)), gather=shuffle)
    plan.point_at(X, targets)
    if weights is not None:
        plan.keep.append(weights)
    optimizer.attach(network, network.parameters)
    counters, order = plan.buffer(loop.COUNTER_WORDS, np.int64), plan.buffer(len(X) if shuffle else 0, np.int64)
    state = {name: getattr(optimizer, name) for name in (*optimizer.state_names, "settings")}
    moving = {"parameters": network.parameters, "gradients": network.gradients, "counters": counters}
    plan.set(
        mode=loop.TRAIN,
        batch=batch,
        steps_per_epoch=-(-len(X) // batch),
        steps_before=optimizer.iterations,
        seed=network.draw_seed(),
        shuffle=int(shuffle),
        order=order.ctypes.data if shuffle else 0,
        weights=0 if weights is None else weights.ctypes.data,
        optimizer_counters=counters.ctypes.data,
        optimizer=plan.record_alone(optimizer.kernel, **moving, **state),
    )
    return plan


def remedy(optimizer: Optimizer) -> str:
    return f"try a learning_rate below {optimizer.learning_rate:g}, or standardise the inputs"


def refuse_broken(plan: Plan, optimizer: Optimizer, steps_per_epoch: int) -> None:
    """Raise if the last chunk of steps ended before its time."""
    step = int(plan.words[loop.STEP])
    if plan.words[loop.STATUS] == loop.NOT_FINITE:
        loss = plan.losses[:-1].sum()
        where = f"step {step + 1} (epoch {step // steps_per_epoch + 1})"
        raise FloatingPointError(f"the loss became {loss} at {where}; {remedy(optimizer)}")
    if plan.words[loop.STATUS] == loop.FAILED:
        raise IndexError(f"a kernel read outside one of its arrays at step {step + 1}")
