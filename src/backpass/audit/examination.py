"""The figures of a network's layers over a data set, from which `health` draws its conclusions.

Two textbook walks through a copy, some rows at a time: one predicting, for what the units do, and one as in training,
for the gradients. With dvalues[n] = dL_n/d output[n], the gradient of one sample's loss:
    gradient           = sqrt(mean_n ||dvalues[n]||^2)         how much arrives at a layer's output
    ratio              = gradient / gradient of the next layer
    relative gradient  = ||dL/d parameters|| / ||parameters||
    update             = ||change of the parameters by one step|| / ||parameters||
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backpass.engine.kernels.compiler import COUNT_STEP, COUNTER_WORDS
from backpass.files.model import layer_names
from backpass.layers.dense import Dense
from backpass.layers.embedding import Embedding
from backpass.layers.layer import Layer
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer

BLOCK = 1000  # rows at a time
FLAT = 0.01  # a slope below it lets through less than a hundredth: sigmoid beyond 4.6, tanh beyond 3
NEARLY_ALL = 0.95  # of the rows; a unit that is flat in these learns from the rest alone
FAR = 50.0  # an input at which whatever saturates has done so


@dataclass
class LayerFigures:
    """What was seen of one layer; None where a figure makes no sense for it.

    Attributes
    ----------
    name : str
        As in a model file: dense1, relu1, dense2 ...
    units : int
        Columns of its output, M.
    dead : float, optional
        Share of the units whose output and slope are 0 for every sample.
    saturated : float, optional
        Share of the units on a flat part of a sigmoid or tanh, or of another layer that is flat at both ends, for
        nearly all samples.
    gradient, ratio, relative_gradient, update : float, optional
        See the module.
    """

    name: str
    units: int
    dead: float | None = None
    saturated: float | None = None
    gradient: float | None = None
    ratio: float | None = None
    relative_gradient: float | None = None
    update: float | None = None


def blocks(rows: int) -> Iterator[slice]:
    """Every row once; each block goes through the whole data set, which may be sorted by class."""
    count = -(-rows // BLOCK)
    yield from (slice(first, rows, count) for first in range(count))


def examine(network: Network, X: np.ndarray, targets: np.ndarray, optimizer: Optimizer | None) -> list[LayerFigures]:
    """The figures of each layer over samples and targets that were checked; the network is left as it is."""
    twin = copy.deepcopy(network)
    names = layer_names(twin.layers)
    figures = [LayerFigures(name, width) for name, width in zip(names, twin.widths[1:], strict=True)]
    with np.errstate(all="ignore"):  # what overflows is a finding
        watch_units(twin, X, figures)
        gradient = watch_gradients(twin, X, targets, figures)
        watch_parameters(network, twin, gradient, optimizer, figures)
    return figures


def watch_units(twin: Network, X: np.ndarray, figures: list[LayerFigures]) -> None:
    """Set `dead` and `saturated`, by what the layers return when they predict."""
    last = twin.layers[-1]
    seen: list[Units] = [Units() for _ in twin.layers]
    for rows in blocks(len(X)):
        output = X[rows].copy()  # a layer of somebody's own may work in place
        for layer, units in zip(twin.layers, seen, strict=True):
            output = layer.walk(output, False, 1)
            if units.told and not (layer is last and layer.probabilities):  # these may be as sure as they like
                units.add(layer, output)
    for layer, units, figure in zip(twin.layers, seen, figures, strict=True):
        if units.told and units.rows:
            flat = saturates(layer)
            figure.dead = 0.0 if flat else float(1 - units.alive.mean())  # 0 may be where its curve ends
            if flat and layer is not last:  # targets may lie at its ends
                figure.saturated = float((units.flat >= NEARLY_ALL * units.rows).mean())


class Units:
    """What the units of one layer did so far.

    Attributes
    ----------
    told : bool
        Whether an output of 0 says anything about a unit of this layer.
    rows : int
    alive : ndarray (M,), bool
        Whether there was a sample for which the output or the slope was not 0.
    flat : ndarray (M,)
        For how many samples the slope was below FLAT.
    """

    def __init__(self) -> None:
        self.told, self.rows = True, 0
        self.alive, self.flat = np.zeros(1, bool), np.zeros(1, np.int64)

    def add(self, layer: Layer, output: np.ndarray) -> None:
        if not layer.parameters.size:
            slopes = layer.walk_back(np.ones_like(output)).copy()
            self.told = self.rows > 0 or by_number(layer, output, slopes)
            if self.told:
                self.alive = self.alive | ((output != 0) | (slopes != 0)).any(axis=0)
                self.flat = self.flat + (np.abs(slopes) < FLAT).sum(axis=0)
        else:  # an activation of its own at the end, perhaps
            self.told = type(layer) not in (Dense, Embedding) and bool(layer.parameters.any())
            self.alive = self.alive | (output != 0).any(axis=0)
            self.flat = self.flat + np.zeros(output.shape[1], np.int64)
        self.rows += len(output)


def by_number(layer: Layer, output: np.ndarray, slopes: np.ndarray) -> bool:
    """Whether a layer works on each number alone, unlike Softmax: what any dvalues become follows from its slopes."""
    dvalues = np.random.default_rng(0).uniform(0.5, 1.5, output.shape).astype(output.dtype)
    dinputs = layer.walk_back(dvalues.copy())
    return dinputs.shape == dvalues.shape and np.allclose(
        dinputs, dvalues * slopes, rtol=1e-4, atol=1e-8 * np.abs(slopes).max(initial=0.0)
    )


def saturates(layer: Layer) -> bool:
    """Whether a layer that works on each number alone is flat at both ends."""
    if layer.parameters.size or layer.output is None:
        return False
    ends = np.repeat(np.array([[-FAR], [FAR]], layer.output.dtype), layer.output.shape[1], axis=1)
    try:
        output = layer.walk(ends, False, 1)
        return bool((np.abs(layer.walk_back(np.ones_like(output))) < FLAT).all())
    except Exception:  # somebody's own, which may refuse such numbers
        return False


def watch_gradients(twin: Network, X: np.ndarray, targets: np.ndarray, figures: list[LayerFigures]) -> np.ndarray:
    """Set `gradient` and `ratio`; returns the gradient (P,) by the parameters."""
    total, squares = np.zeros(twin.parameters.size), np.full(len(figures), np.nan)
    for rows in blocks(len(X)):
        twin.layers[-1].dvalues = None  # stays so where one step is taken back through it and the loss
        twin.forward(X[rows], step=1)
        twin.backward(targets[rows])
        count = len(X[rows])
        total += twin.gradients * (count / len(X))
        for index, layer in enumerate(twin.layers):
            if layer.dvalues is not None:  # they are those of the mean of the block's losses
                add = float(np.square(layer.dvalues, dtype=np.float64).sum()) * count**2
                squares[index] = np.nan_to_num(squares[index]) + add
    for index, figure in enumerate(figures):
        if not np.isnan(squares[index]):
            figure.gradient = float(np.sqrt(squares[index] / len(X)))
        if index and figure.gradient:
            before = figures[index - 1]
            before.ratio = None if before.gradient is None else before.gradient / figure.gradient
    return total


def watch_parameters(
    network: Network, twin: Network, gradient: np.ndarray, optimizer: Optimizer | None, figures: list[LayerFigures]
) -> None:
    """Set `relative_gradient`, and `update` by one step of a copy of the optimizer on the copy of the network."""
    change = None
    if optimizer is not None and hasattr(optimizer, "kernel"):  # not L-BFGS, which searches for its steps
        stepping = copy.deepcopy(optimizer)
        if optimizer._network is not None and optimizer._network() is network:
            stepping._network = weakref.ref(twin)  # go on from the moments that there are
        stepping.attach(twin, twin.parameters)
        before = twin.parameters.copy()
        counters = np.zeros(COUNTER_WORDS, np.int64)
        counters[COUNT_STEP] = stepping.iterations + 1
        twin.gradients[:] = gradient
        for kernel, arrays in stepping.calls(twin.parameters, twin.gradients, counters):
            kernel(*[arrays[name] for name in kernel.arguments])
        change = twin.parameters - before
    start = 0
    for layer, own, figure in zip(twin.layers, network.layers, figures, strict=True):
        place = slice(start, start := start + layer.parameters.size)
        size = float(np.linalg.norm(own.parameters))
        if size:
            figure.relative_gradient = float(np.linalg.norm(gradient[place]) / size)
            figure.update = None if change is None else float(np.linalg.norm(change[place]) / size)
