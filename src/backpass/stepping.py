"""The steps of a training, in two forms with one face: compiled, or the textbook walk of a network with own parts.

Both take the same batches in the same order with the same random numbers and end each step with the same kernels, so
a network trains alike in both, but for rounding and speed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backpass.engine import loop
from backpass.engine.kernels import Kernel
from backpass.engine.kernels.compiler import COUNT_STEP, COUNTER_WORDS
from backpass.engine.plan import Plan
from backpass.engine.shuffling import order_of
from backpass.engine.threads import Helpers, fits
from backpass.layers.penalty import add_penalty_kernel
from backpass.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from backpass.network import Network

CHUNK_SECONDS = 0.05  # compiled code is left this often, for Ctrl-C and the progress bar


def finishing_calls(network: Network, optimizer: Optimizer, counters: np.ndarray) -> list[tuple[Kernel, Any]]:
    """What is done once the gradients are there: penalties, clipping, the optimizer, the average of the weights."""
    calls: list[Any] = []
    if network.compiled:  # layers that walk add their penalties themselves
        for layer in network.layers:
            for name, factors in layer.penalties.items():
                parameters, gradients = getattr(layer, name).reshape(-1), getattr(layer, f"d{name}").reshape(-1)
                given = {"parameters": parameters, "gradients": gradients, "settings": np.array(factors)}
                calls.append((add_penalty_kernel, given))
    return calls + optimizer.calls(network.parameters, network.gradients, counters)


class Steps:
    """The steps of one fit.

    Attributes
    ----------
    made : int
        Steps made so far.
    loss : float
        Mean loss of the last one, before it moved the parameters.
    losses : ndarray (epochs,)
        Sum of loss x weight of each epoch.

    `out` (N, M) receives what the last layer returns; `before`, if given, is how many steps the optimizer has made.
    """

    alone = True  # else somebody has limited BLAS's threads for several fits together

    def __init__(
        self,
        network: Network,
        X: np.ndarray,
        targets: np.ndarray,
        optimizer: Optimizer,
        *,
        epochs: int,
        batch: int,
        shuffle: bool = True,
        weights: np.ndarray | None = None,
        threads: int = 1,
        out: np.ndarray | None = None,
        before: int | None = None,
    ):
        self.network, self.optimizer = network, optimizer
        self.per_epoch = -(-len(X) // batch)
        self.total = epochs * self.per_epoch
        self.made = 0
        self.loss = np.nan
        self.losses = np.zeros(epochs, np.float64)
        self.chunk, self.seconds = 1, 0.0  # steps to make before the clock is read again, and what one took
        optimizer.attach(network, network.parameters)
        optimizer.iterations = optimizer.iterations if before is None else before
        self.before, self.trained = optimizer.iterations, network.trained
        self.counters = np.zeros(COUNTER_WORDS, np.int64)
        calls = finishing_calls(network, optimizer, self.counters)
        self.prepare(X, targets, batch, shuffle and batch < len(X), weights, threads, out, calls)

    def prepare(
        self,
        X: np.ndarray,
        targets: np.ndarray,
        batch: int,
        shuffle: bool,
        weights: np.ndarray | None,
        threads: int,
        out: np.ndarray | None,
        calls: Sequence[tuple[Kernel, dict[str, np.ndarray]]],
    ) -> None:
        raise NotImplementedError

    def advance(self, goal: int) -> None:
        """Make the steps up to this one, or fewer if they take longer than CHUNK_SECONDS, but one at least.

        FloatingPointError as soon as the loss is not finite.
        """
        raise NotImplementedError

    def skip_to(self, made: int) -> None:
        """Go on from here: the steps up to this one were made by somebody else."""
        self.note(made)

    def advance_a_while(self, goal: int) -> None:
        """Make steps towards this one for about CHUNK_SECONDS."""
        self.prepare_chunk()
        begun, goal = self.made, min(self.made + self.chunk, goal)
        start = time.perf_counter()
        self.advance(goal)
        seconds = time.perf_counter() - start
        self.learn(begun, seconds)
        self.seconds = seconds / max(1, self.made - begun)
        # At most twice as many as before: the last batch of an epoch may be a short one.
        self.chunk = min(2 * self.chunk, max(1, int(CHUNK_SECONDS / max(self.seconds, 1e-9))))

    def prepare_chunk(self) -> None:
        """Before each of them, when `seconds` says how long a step of the last one took."""

    def learn(self, begun: int, seconds: float) -> None:
        """Told how long the steps from this one on have taken."""

    def note(self, made: int) -> None:
        """Take down how far the training has come."""
        self.made = made
        self.optimizer.iterations = self.before + made
        self.network.trained = self.trained[0] + made // self.per_epoch, self.trained[1] + made

    def rates(self, goal: int) -> np.ndarray | None:
        """Learning rates of the steps from the next one to this, if they follow a schedule."""
        schedule = self.optimizer.schedule
        if schedule is None:
            return None
        steps = np.arange(self.before + self.made, self.before + goal)
        rates = np.ascontiguousarray(schedule.rates(steps, self.before + self.total), np.float64)
        if rates.shape != steps.shape or not (rates >= 0).all() or not np.isfinite(rates).all():
            raise ValueError(f"{schedule!r} has to give {len(steps)} rates of at least 0; it gives {rates}")
        return rates

    def refuse(self, loss: float) -> None:
        where = f"step {self.made + 1} (epoch {self.made // self.per_epoch + 1})"
        raise FloatingPointError(f"the loss became {loss} at {where}; {remedy(self.optimizer)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.optimizer.finish(self.network.parameters)


def remedy(optimizer: Optimizer) -> str:
    return f"try a learning_rate below {optimizer.learning_rate:g}, or standardise the inputs"


HELPERS_PAY_AFTER = 0.002  # seconds of work from which starting threads is worth it


class CompiledSteps(Steps):
    """The engine's: compiled code is entered once for each advance."""

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        self.threads = threads
        targets = self.network.effective(targets)
        chain = self.network.chain(labels=targets.ndim == 1)
        plan = self.plan = Plan(chain, batch, "train", workers=threads, gather=shuffle)
        plan.point_at(X, targets, out)
        order = plan.buffer(len(X) if shuffle else 0, np.int64)
        plan.keep += [array for array in (weights, self.losses, self.counters) if array is not None]
        epochs, steps = self.trained
        plan.set(
            mode=loop.TRAIN,
            batch=batch,
            steps_per_epoch=self.per_epoch,
            steps_before=self.before,
            steps_trained=steps,
            epochs_trained=epochs,
            seed=self.network.seed,
            shuffle=int(shuffle),
            order=order.ctypes.data if shuffle else 0,
            weights=0 if weights is None else weights.ctypes.data,
            epoch_losses=self.losses.ctypes.data,
            finish_counters=self.counters.ctypes.data,
            learning_rate=self.optimizer.settings.ctypes.data,
        )
        plan.finish_with(calls)

    def __enter__(self) -> Self:
        self.context = ExitStack()
        if self.alone:
            self.context.enter_context(fits.one_more(self.threads if self.plan.chain.wide else 1))
        self.helpers = self.context.enter_context(Helpers(self.plan))
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()
        super().__exit__(*error)

    def prepare_chunk(self) -> None:
        if not self.helpers.threads and (self.total - self.made) * self.seconds > HELPERS_PAY_AFTER:
            self.helpers.start()
        if self.helpers.quicker.trying:
            self.chunk = max(1, self.chunk // 8)

    def learn(self, begun: int, seconds: float) -> None:
        if self.helpers.may_be_asked:
            words = self.plan.words
            ended = self.made // self.per_epoch - begun // self.per_epoch
            short = self.per_epoch * words[loop.BATCH] - words[loop.SAMPLES]  # of the last batch of an epoch
            samples = (self.made - begun) * words[loop.BATCH] - ended * short
            stalls, words[loop.STALLED] = int(words[loop.STALLED]), 0
            self.helpers.quicker.note(seconds, max(1, int(samples)), stalls)

    def skip_to(self, made: int) -> None:
        super().skip_to(made)
        self.plan.set(step=made)

    def advance(self, goal: int) -> None:
        plan, rates = self.plan, self.rates(goal)
        self.helpers.allow(len(fits.running))
        plan.set(last_step=goal, rates=0 if rates is None else rates.ctypes.data, rates_first=self.made)
        start = time.perf_counter()
        try:
            plan.run(plan.address, 0)
        finally:  # Ctrl-C is raised on the way back, after the steps were made
            self.note(int(plan.words[loop.STEP]))
        # The next steps may take a thousand times as long: where they are made by the clock, Ctrl-C is served in time.
        cycles_a_second = plan.words[loop.CYCLES] / max(time.perf_counter() - start, 1e-9)
        plan.set(most_cycles=int(CHUNK_SECONDS * cycles_a_second))
        self.loss = float(plan.losses[:-1].sum())
        if plan.words[loop.STATUS] == loop.NOT_FINITE:
            self.refuse(self.loss)
        if plan.words[loop.STATUS] == loop.FAILED:
            raise IndexError(f"a kernel read outside one of its arrays at step {self.made + 1}")


class WalkedSteps(Steps):
    """The textbook walk: through the parts' own `forward` and `backward`, in Python."""

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        self.X, self.targets, self.weights, self.out = X, targets, weights, out
        self.batch, self.shuffle = batch, shuffle
        self.calls = [(made, [arrays[name] for name in made.arguments]) for made, arrays in calls]
        self.order = np.arange(len(X))

    def advance(self, goal: int) -> None:
        first, rates = self.made, self.rates(goal)
        while self.made < goal:
            epoch, position = divmod(self.made, self.per_epoch)
            if self.shuffle and position == 0:
                self.order = order_of(len(self.X), self.network.seed, self.trained[0] + epoch)
            batch = slice(position * self.batch, (position + 1) * self.batch)
            rows = self.order[batch]
            weights = None if self.weights is None else self.weights[rows]
            weight = float(len(rows) if weights is None else weights.sum())
            self.walk(rows, weights, batch)
            self.losses[epoch] += self.loss * weight
            self.counters[COUNT_STEP] = self.before + self.made + 1
            if rates is not None:
                self.optimizer.settings[0] = rates[self.made - first]
            for made, arrays in self.calls:
                made(*arrays)
            self.note(self.made + 1)

    def walk(self, rows: np.ndarray, weights: np.ndarray | None, batch: slice) -> None:
        network, targets = self.network, self.targets[rows]
        output = network.forward(self.X[rows], step=self.trained[1] + self.made + 1)
        if self.out is not None:
            self.out[batch] = output
        if weights is not None and not weights.any():
            # nobody in this batch counts: loss and gradients are 0, but for penalties, as in compiled code
            self.loss = 0.0
            network.gradients[:] = 0
            for layer in network.layers:
                layer.add_penalty_gradients()
            return
        self.loss = network.mean_loss(targets, weights)
        if not np.isfinite(self.loss):
            self.refuse(self.loss)
        network.backward(targets, weights)
