"""What is wrong with a network, its data or its training, by figures that everybody can look up.

Every rule is a threshold on a figure, set on 96 runs: the spiral and the digits, two hidden layers of ReLU or tanh,
Adam or SGD, learning rates from 1e-6 to 10. To blame a good run is worse than to miss a bad one: in 960 runs at usual
settings (six data sets, five activations, one to six layers) they find 15 things, all of them there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass import checks
from backpass.audit.examination import LayerFigures, examine
from backpass.audit.health_report import Health, Remark
from backpass.engine.threads import fits
from backpass.files.model import layer_names
from backpass.layers.batch_norm import BatchNorm
from backpass.layers.dropout import Dropout
from backpass.layers.embedding import Embedding
from backpass.layers.layer_norm import LayerNorm
from backpass.network import Network
from backpass.optimizers.adam import Adam
from backpass.optimizers.optimizer import Optimizer
from backpass.training import History, optimizer_of

MOST_DEAD = 0.5  # of a layer's units; runs that learnt well had up to 0.31, but for one with 0.64; the others up to 1
MOST_SATURATED = 0.5  # the same: up to 0.22, and from 0.72 on
FLOW = 1e3  # how much smaller or larger the first layer's gradient may be than the last's; good runs: 0.6 to 32
LARGEST_UPDATE = 0.5  # of a layer's weights in one step; Adam's first step on the spiral's last layer is 0.3 at 0.05
SMALLEST_UPDATE = 1e-5  # healthy is about 1e-3: Karpathy, notes for Stanford CS231n, "Ratio of weights:updates"
STILL_TO_LEARN = 1e-3  # gradient / weights above which small steps are no sign of having arrived
LARGEST_COLUMN = 10.0  # root of a column's mean square; 1 when standardised, at most 1 when scaled to [0, 1] or [-1, 1]
SMALLEST_ROW = 0.01  # root of the mean square length of a sample
LARGEST_TARGET = 100.0  # root mean square; the loss begins at its square, and the weights have to grow to it
ROWS = 20  # fewer say nothing of a unit: one of a ReLU is 0 for every other sample anyway
RAREST_CLASS = 0.1  # of the share that it would have if all were as frequent: 5 % of two classes
ROWS_A_CLASS = 20  # fewer rows say nothing of the classes' shares
EPOCHS = 10  # fewer say nothing of the learning rate
BOUNCE, UNSURE_BOUNCE = 0.07, 0.1  # of the loss from epoch to epoch, with the steps' size known and without
CRAWL, UNSURE_CRAWL = 0.3, 0.1  # of the loss, over all epochs
LARGE_STEPS, SMALL_STEPS = 3e-3, 1e-4  # update / weights at which a loss may bounce, or crawl, because of them


def health(
    network: Network,
    X: Any,
    y: Any,
    *,
    learning_rate: float | None = None,
    optimizer: Optimizer | str | None = None,
    history: History | Any = None,
) -> Health:
    """Look for what is wrong with a network on a data set, over all of its samples.

    Parameters
    ----------
    network : Network
        Is left as it is.
    X : array-like (N, D)
    y : array-like
        As `Network.fit` takes them.
    learning_rate : float above 0, optional
        That of an Adam, of which one step is tried on a copy.
    optimizer : Optimizer or str, optional
        In its place; goes on from its state, if it has trained this network, and is left as it is.
    history : History or sequence of float, optional
        Losses of the epochs, which tell whether the learning rate was too high or too low.

    Returns
    -------
    Health
        Its findings are of these kinds, the most serious first: not-finite, loss-scale, exploding-gradient,
        vanishing-gradient, dead-units, saturated, learning-rate-too-high, updates-too-large, unscaled-inputs,
        unscaled-targets, learning-rate-too-low, updates-too-small, imbalanced-labels.

    Raises
    ------
    ValueError, TypeError
        For what `Network.fit` would refuse, and for a learning rate beside an optimizer.

    Units are judged as in a prediction, gradients as in training: with the masks of Dropout, and with the statistics of
    1,000 rows for BatchNorm.

    >>> from backpass import Dense, MeanSquaredError, Network, ReLU
    >>> network = Network([Dense(1, 4), ReLU(), Dense(4, 1)], MeanSquaredError(), random_state=0)
    >>> network.layers[0].biases = [-9, -9, -9, 9]  # the first three see nothing but what is below 0
    >>> X = np.linspace(-1, 1, 30).reshape(-1, 1)
    >>> print(health(network, X, X**2).findings[0])
    relu1: 3 of 4 units are 0 for all 30 samples; lower the learning rate, or use LeakyReLU or ELU
    """
    X = network.samples(X)
    targets = network.targets(y, X)
    if learning_rate is not None and optimizer is not None:
        raise ValueError(f"learning_rate is {learning_rate!r} beside an optimizer; give it to the optimizer")
    if learning_rate is not None:
        optimizer = Adam(learning_rate)
    optimizer = None if optimizer is None else optimizer_of(optimizer)
    losses = history.loss if isinstance(history, History) else [] if history is None else history
    losses = checks.finite(checks.numbers(losses, "history").ravel(), "history")
    with fits.one_more(1):  # BLAS's own threads, with another process on one core: 20 times as long
        figures = examine(network, X, targets, optimizer)
        return Health([*findings(network, X, targets, figures, optimizer, losses)], figures)


def findings(
    network: Network,
    X: np.ndarray,
    targets: np.ndarray,
    figures: list[LayerFigures],
    optimizer: Optimizer | None,
    losses: np.ndarray,
) -> Iterator[Remark]:
    """All of them, the most serious first."""
    largest = None
    if not np.isfinite(network.parameters).all():  # then nothing else is
        yield from of_numbers(network)
    else:
        yield from of_scale(network, X, targets)
        yield from of_layers(figures, len(X))
        largest = max((each.update for each in figures if each.update is not None), default=None)
    if len(losses) >= EPOCHS:
        yield from of_bounces(losses, largest)
    if largest is not None and largest > LARGEST_UPDATE:
        figure = max(figures, key=lambda each: each.update or 0)
        text = f"{figure.name}: one step changes the weights by {largest:.2g} of their size"
        yield Remark("updates-too-large", figure.name, largest, text, "lower the learning rate, or clip the gradients")
    yield from of_inputs(network, X)
    yield from of_targets(network, targets)
    if len(losses) >= EPOCHS:
        yield from of_crawling(losses, largest)
    to_learn = max((each.relative_gradient or 0 for each in figures), default=0)
    scheduled = optimizer is not None and optimizer.schedule is not None  # it may end with no steps at all
    if largest is not None and largest < SMALLEST_UPDATE and to_learn > STILL_TO_LEARN and not scheduled:
        text = f"learning_rate: one step changes no layer's weights by more than {largest:.1g} of their size"
        yield Remark("updates-too-small", "learning_rate", largest, text, "raise the learning rate; 1e-3 is usual")
    yield from of_labels(network, targets)


def of_numbers(network: Network) -> Iterator[Remark]:
    for name, layer in zip(layer_names(network.layers), network.layers, strict=True):
        if wrong := int((~np.isfinite(layer.parameters)).sum()):
            text = f"{name}: {wrong} of {layer.parameters.size} parameters are not finite"
            yield Remark("not-finite", name, wrong, text, "train anew, with a lower learning rate, on scaled inputs")


def of_scale(network: Network, X: np.ndarray, targets: np.ndarray) -> Iterator[Remark]:
    """The same samples twice over have the same mean loss, and so the same gradient."""
    rows = np.linspace(0, len(X) - 1, min(len(X), 16)).astype(int)  # few: at a minimum, those of many cancel
    twin = copy.deepcopy(network)
    for layer in twin.layers:
        layer.penalties = {}  # they are the same in any case
        if isinstance(layer, Dropout):
            layer.rate = 0.0  # type: ignore[assignment]  # its masks are not the same for both copies
    with np.errstate(all="ignore"):
        once, twice = (
            twin.gradient_of(X[np.tile(rows, times)], targets[np.tile(rows, times)])[1].astype(np.float64)
            for times in (1, 2)
        )
    tolerance = 1e-6 if network.dtype == np.float64 else 1e-4
    start, factors = 0, {}
    for name, layer in zip(layer_names(twin.layers), twin.layers, strict=True):
        place = slice(start, start := start + layer.parameters.size)
        if (
            np.abs(once[place]).max(initial=0) > np.finfo(network.dtype).tiny / tolerance
        ):  # fewer digits are left of less
            factor = float(twice[place] @ once[place] / (once[place] @ once[place]))
            # not along the same direction: something is random
            same = np.linalg.norm(twice[place] - factor * once[place]) <= 100 * tolerance * np.linalg.norm(twice[place])
            factors[name] = factor if same else 1.0
    wrong = [name for name, factor in factors.items() if abs(factor - 1) > tolerance]
    if wrong:
        factor = factors[wrong[-1]]
        where = "loss" if len(wrong) == len(factors) else wrong[-1]
        text = f"{where}: the same samples twice over give {factor:.3g} times the gradient"
        yield Remark("loss-scale", where, factor, text, "divide a loss's dinputs by N, and sum a layer's over samples")


def of_layers(figures: list[LayerFigures], rows: int) -> Iterator[Remark]:
    units = [*of_units(figures, rows)]
    yield from units or of_flow(figures)  # units that let nothing through are the reason why a gradient vanishes


def of_flow(figures: list[LayerFigures]) -> Iterator[Remark]:
    learning = [each for each in figures if each.gradient is not None and each.relative_gradient is not None]
    if not learning or not learning[-1].gradient:
        return
    first, last = learning[0], learning[-1]
    ratio = first.gradient / last.gradient  # type: ignore[operator]
    text = f"{first.name}: the gradient is {ratio:.2g} times that of {last.name}"
    if not ratio <= FLOW:
        remedy = "draw smaller weights, clip the gradients, or put in BatchNorm or LayerNorm"
        yield Remark("exploding-gradient", first.name, ratio, text, remedy)
    elif ratio < 1 / FLOW:
        remedy = "use ReLU and its kin with their own initializer, fewer layers, BatchNorm or LayerNorm"
        yield Remark("vanishing-gradient", first.name, ratio, text, remedy)


def of_units(figures: list[LayerFigures], rows: int) -> Iterator[Remark]:
    if rows < ROWS:
        return
    for each in figures:
        if each.dead is not None and each.dead > MOST_DEAD:
            text = f"{each.name}: {round(each.dead * each.units)} of {each.units} units are 0 for all {rows} samples"
            remedy = "lower the learning rate, or use LeakyReLU or ELU"
            yield Remark("dead-units", each.name, each.dead, text, remedy)
    for each in figures:
        if each.saturated is not None and each.saturated > MOST_SATURATED:
            count = f"{round(each.saturated * each.units)} of {each.units}"
            text = f"{each.name}: {count} units are saturated for nearly all samples"
            remedy = "lower the learning rate, scale the inputs, or put in BatchNorm or LayerNorm"
            yield Remark("saturated", each.name, each.saturated, text, remedy)


def of_bounces(losses: np.ndarray, largest: float | None) -> Iterator[Remark]:
    half = losses[len(losses) // 2 :]
    level = float(np.median(half))
    changes = np.diff(half) / np.maximum(np.abs(half[:-1]), np.finfo(np.float64).tiny)
    bounce = float(np.median(np.abs(changes)))
    limit = UNSURE_BOUNCE if largest is None else BOUNCE
    remedy = "lower the learning rate, by 3 or 10 times"
    if level > 1.1 * losses[0] > 0:
        text = f"learning_rate: the loss went up, from {losses[0]:.3g} in the first epoch to about {level:.3g}"
        yield Remark("learning-rate-too-high", "learning_rate", level / losses[0], text, remedy)
    elif (
        bounce > limit
        and (changes > 0).mean() > 0.3  # to and fro, not down
        and abs(half[0] - half[-1]) < 0.4 * np.abs(np.diff(half)).sum()
        and level > 0.2 * losses[0]  # near its floor, a loss changes by a large part of itself
        and (largest is None or largest > LARGE_STEPS)
    ):
        text = f"learning_rate: the loss bounces, by {bounce:.0%} from one epoch to the next"
        yield Remark("learning-rate-too-high", "learning_rate", bounce, text, remedy)


def of_crawling(losses: np.ndarray, largest: float | None) -> Iterator[Remark]:
    middle = len(losses) // 2
    before, after = losses[0] - losses[middle], losses[middle] - losses[-1]
    path = float(np.abs(np.diff(losses[middle:])).sum())
    if not (before > 0 and after > 0.9 * path):  # it does not fall steadily
        return
    fallen = float((before + after) / max(abs(losses[0]), np.finfo(np.float64).tiny))
    limit = UNSURE_CRAWL if largest is None else CRAWL
    as_fast = 0.4 * before < after < 3 * before
    if fallen < limit and as_fast and (largest is None or largest < SMALL_STEPS):
        text = (
            f"learning_rate: the loss crawls, {fallen:.1%} down in {len(losses)} epochs and hardly slower than at first"
        )
        remedy = "raise the learning rate, by 3 or 10 times"
        yield Remark("learning-rate-too-low", "learning_rate", fallen, text, remedy)


def of_inputs(network: Network, X: np.ndarray) -> Iterator[Remark]:
    first = network.layers[0]
    if isinstance(first, BatchNorm | LayerNorm):
        return
    categories = first.places if isinstance(first, Embedding) else {}
    columns = [column for column in range(X.shape[1]) if column not in categories]
    if not columns:
        return
    sizes = np.array([float(np.sqrt(np.mean(np.square(X[:, column], dtype=np.float64)))) for column in columns])
    largest, row = float(sizes.max()), float(np.sqrt(np.square(sizes).sum()))
    remedy = "standardise the inputs: mean 0, standard deviation 1"
    if largest > LARGEST_COLUMN:
        text = f"X: column {columns[int(sizes.argmax())]} has numbers of about {largest:.3g}"
        yield Remark("unscaled-inputs", "X", largest, text, remedy)
    elif 0 < row < SMALLEST_ROW:
        yield Remark("unscaled-inputs", "X", row, f"X: its rows have a length of about {row:.1g}", remedy)


def of_targets(network: Network, targets: np.ndarray) -> Iterator[Remark]:
    if network.loss.classifies or getattr(network.loss, "layer", network.layers[-1]).positive:  # counts are as they are
        return
    size = float(np.sqrt(np.mean(np.square(targets, dtype=np.float64))))
    if size > LARGEST_TARGET:
        text = f"y: the targets are numbers of about {size:.3g}"
        yield Remark("unscaled-targets", "y", size, text, "standardise the targets, and scale the predictions back")


def of_labels(network: Network, targets: np.ndarray) -> Iterator[Remark]:
    if not network.loss.classifies or getattr(network.loss, "class_weight", None) is not None:
        return
    remedy = "give the loss a class_weight, or sample_weight to fit"
    if network.loss.takes_labels:
        C = network.widths[-1]
        counts = np.bincount(targets, minlength=C) if targets.ndim == 1 else targets.sum(axis=0, dtype=np.float64)
        shares = counts / counts.sum() * C
        what = f"class {int(shares.argmin())} is {shares.min() / C:.2%} of the labels, of {C} classes"
    else:  # columns of yes and no
        C = 2
        yes = (targets > network.loss.threshold).mean(axis=0)
        shares = 2 * np.minimum(yes, 1 - yes)
        column = int(shares.argmin())
        what = f"{'yes' if yes[column] < 0.5 else 'no'} is {shares.min() / 2:.2%} of the answers in column {column}"
    if len(targets) >= ROWS_A_CLASS * C and shares.min() < RAREST_CLASS:
        yield Remark("imbalanced-labels", "y", float(shares.min() / C), f"y: {what}", remedy)
