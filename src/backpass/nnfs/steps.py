"""The steps of `Model.train`: through the layers themselves, or, where nobody looks at them, by the engine.

A Model whose parts are all from here is a Network, as long as nothing in it draws random numbers. The engine rounds
otherwise than NumPy, and a spiral's training goes elsewhere for it after some hundred steps. So the first lines are
exact, and what is printed later is computed by the layers, as in the book, from the parameters that the engine left.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backpass.engine.threads import available_cores
from backpass.layers.layer import LAYERS
from backpass.losses.loss import LOSSES
from backpass.network import Network
from backpass.nnfs import model_file
from backpass.optimizers.optimizer import OPTIMIZERS, Optimizer
from backpass.optimizers.schedules import InverseDecay
from backpass.stepping import CompiledSteps

if TYPE_CHECKING:
    from backpass.nnfs.model import Model

EXACT_LINES = 10  # printed before the engine is asked: what a reader compares with the page
WORTH_IT = 8  # fewer steps in a row than this are not worth copying parameters to and fro
# What our optimizers call their state, and what the book's classes call it.
STATE = {"velocity": "momentums", "first_moment": "momentums", "second_moment": "cache", "cache": "cache"}


class Steps:
    """Steps on the batches of X, y, one after the other and from the first again; `up_to` and `step` make them."""

    def __init__(self, model: Model, X: Any, y: Any, parts: list[slice], epochs: int, allowed: bool):
        self.model, self.X, self.y, self.parts, self.epochs = model, X, y, parts, epochs
        self.made, self.printed = 0, 0
        self.engine: CompiledSteps | None = None
        self.allowed = allowed  # until something speaks against the engine
        self.context = ExitStack()

    def step(self) -> tuple[Any, Any, Any]:
        """One step, to be printed; accuracy, loss of the data and of the regularisers before it."""
        self.printed += 1
        return self._through_layers()

    def _through_layers(self) -> tuple[Any, Any, Any]:
        part = self.parts[self.made % len(self.parts)]
        self.made += 1
        return self.model.step(self.X[part], self.y[part])

    def up_to(self, goal: int) -> None:
        """Steps that print nothing, until so many have been made. They end in the epoch in which they begin."""
        if self.allowed and self.printed >= EXACT_LINES and goal - self.made >= WORTH_IT:
            self._by_engine(goal)
        while self.made < goal:
            self._through_layers()

    def _by_engine(self, goal: int) -> None:
        try:
            engine = self.engine = self.engine or self.context.enter_context(self._begin())
        except (AttributeError, TypeError, ValueError):  # a part, or data, that the engine does not take as it is
            self.allowed = False
            return
        first = self.made
        self._copy(engine, from_layers=True)
        engine.skip_to(first)
        try:
            while engine.made < goal:
                engine.advance_a_while(goal)
        except FloatingPointError:  # the layers go on, and print what becomes of it
            self.allowed = False
        finally:  # Ctrl-C too
            self._copy(engine, from_layers=False)
            self.model.optimizer.iterations += engine.made - first
            self.made = engine.made
        if len(self.parts) > 1 and self.made > first:  # of one part it is the last step's output alone that is known
            rows = slice(self.parts[first % len(self.parts)].start, self.parts[(self.made - 1) % len(self.parts)].stop)
            self.model.look_at(self.output[rows], self.y[rows])

    def _begin(self) -> CompiledSteps:
        """The Model as a Network. ValueError where it has parts that are not from here, or that draw."""
        model = self.model
        layers = []
        for layer in model.layers:
            kind = model_file.name_of(layer, model_file.LAYERS)
            if kind == "Dropout" or getattr(layer, "bias_regularizer_l1", 0) > 0:
                raise ValueError("masks are drawn by np.random; the slope of |0| is 1 in the book and 0 in the engine")
            layers.append(as_dense(layer) if kind == "Dense" else LAYERS[kind]())
        network = Network(layers, LOSSES[model_file.name_of(model.loss, model_file.LOSSES)]())
        X = network.samples(self.X)
        self.output = np.empty((len(X), network.widths[-1]), network.dtype)
        return CompiledSteps(
            network,
            X,
            network.targets(self.y, X),
            optimizer_for(model.optimizer),
            epochs=self.epochs,
            batch=self.parts[0].stop,
            shuffle=False,
            threads=available_cores(),
            out=self.output,
            before=model.optimizer.iterations - self.made,
        )

    def _copy(self, engine: CompiledSteps, *, from_layers: bool) -> None:
        """Parameters and the optimizer's state, from the layers to the engine or back."""
        network, optimizer = engine.network, engine.optimizer
        flat = {"": network.parameters}
        if self.model.optimizer.state:
            flat |= {f"_{STATE[name]}": getattr(optimizer, name) for name in optimizer.state_names}
        for suffix, array in flat.items():
            start = 0
            for layer in self.model.trainable_layers:
                for parameter, state in (("weights", "weight"), ("biases", "bias")):
                    mine = getattr(layer, parameter)
                    theirs = array[start : start + mine.size].reshape(mine.shape)
                    start += mine.size
                    name = state + suffix if suffix else parameter
                    if from_layers:
                        theirs[...] = getattr(layer, name, 0)
                    elif hasattr(layer, name):
                        getattr(layer, name)[...] = theirs  # in place: somebody may hold these arrays
                    else:
                        setattr(layer, name, theirs.copy())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()


def as_dense(layer: Any) -> Any:
    """A Dense of the same sizes and penalties. TypeError, ValueError for weights that no Dense can have."""
    penalties = {
        f"{parameter}_{order}": getattr(layer, f"{kind}_regularizer_{order}")
        for parameter, kind in (("weights", "weight"), ("biases", "bias"))
        for order in ("l1", "l2")
    }
    return LAYERS["Dense"](*layer.weights.shape, initializer="zeros", dtype=layer.weights.dtype, **penalties)  # type: ignore[call-arg]


def optimizer_for(optimizer: Any) -> Optimizer:
    """Ours for one of the book's. TypeError, ValueError for arguments that ours does not take."""
    arguments = optimizer.config()
    if decay := arguments.pop("decay"):
        arguments["learning_rate"] = InverseDecay(arguments["learning_rate"], decay)
    return OPTIMIZERS[model_file.name_of(optimizer, model_file.OPTIMIZERS).lower()](**arguments)  # type: ignore[call-arg]
