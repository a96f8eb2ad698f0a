"""The steps of `Model.train`: through the layers themselves, or, where nobody looks at them, by the engine.

A Model whose parts are all from here is a Network, as long as nothing in it draws random numbers. The engine rounds
otherwise than NumPy, and a spiral's training goes elsewhere for it after some hundred steps. So the first lines are
exact, and what is printed later is computed by the layers, as in the book, from the parameters that the engine left.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backpass.engine.threads import available_cores
from backpass.layers.layer import LAYERS
from backpass.losses.loss import LOSSES
from backpass.network import Network
from backpass.nnfs import model_file
from backpass.nnfs.losses import Loss_BinaryCrossentropy
from backpass.optimizers.optimizer import OPTIMIZERS, Optimizer
from backpass.optimizers.schedules import InverseDecay
from backpass.stepping import CompiledSteps

if TYPE_CHECKING:
    from backpass.nnfs.model import Model

EXACT_LINES = 10  # printed before the engine is asked: what a reader compares with the page
WORTH_IT = 8  # fewer steps in a row than this are not worth copying parameters to and fro
# What our optimizers call their state, and what the book's classes call it.
STATE = {"velocity": "momentums", "first_moment": "momentums", "second_moment": "cache", "cache": "cache"}

KINDS = (*model_file.LAYERS.values(), *model_file.LOSSES.values(), *model_file.OPTIMIZERS.values())
METHODS = {kind: {name: each for name, each in vars(kind).items() if callable(each)} for kind in KINDS}


class Steps:
    """Steps on the batches of X, y, one after the other and from the first again; `up_to` and `step` make them."""

    def __init__(self, model: Model, exact: type, X: Any, y: Any, parts: list[slice], epochs: int, allowed: bool):
        self.model, self.X, self.y, self.parts, self.epochs = model, X, y, parts, epochs
        self.exact = exact  # the class of a Model whose methods are its own
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
        return self.model._step(self.X[part], self.y[part])

    def up_to(self, goal: int) -> None:
        """Steps that print nothing, until so many have been made. They end in the epoch in which they begin."""
        if self.allowed and self.printed >= EXACT_LINES and goal - self.made >= WORTH_IT:
            self._by_engine(goal)
        while self.made < goal:
            self._through_layers()

    def _by_engine(self, goal: int) -> None:
        try:
            engine = self.engine = self.engine or self.context.enter_context(self._begin())
            if self.built_for != self._facts():  # somebody has changed something since the last time
                raise ValueError("not the model that the engine was made for")
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
            self.model._look_at(self.output[rows], self.y[rows])

    def _begin(self) -> CompiledSteps:
        """The Model as a Network. ValueError where the layers would do something else than the engine."""
        model = self.model
        self.built_for = self._facts()
        layers = [as_ours(layer) for layer in model.layers]
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

    def _facts(self) -> tuple[Any, ...]:
        """What the engine takes for granted. ValueError if it would be wrong."""
        model = self.model
        parts = [model, model.loss, model.optimizer, model.accuracy, *model.layers]
        if type(model) is not self.exact or any(callable(value) for part in parts for value in vars(part).values()):
            raise ValueError("methods of somebody's own")
        if any(
            vars(kind).get(name) is not method for kind, methods in METHODS.items() for name, method in methods.items()
        ):
            raise ValueError("methods that somebody has put into our classes")
        model_file.name_of(model.accuracy, model_file.ACCURACIES)
        if isinstance(model.loss, Loss_BinaryCrossentropy):
            raise ValueError("where outputs saturate the book's clipping stops the gradient, and the engine's goes on")
        if model.trainable_layers != [layer for layer in model.layers if hasattr(layer, "weights")]:
            raise ValueError("frozen layers")
        arrays = [array for layer in model.trainable_layers for array in layer.get_parameters()]
        if any(np.may_share_memory(one, other) for one, other in itertools.combinations(arrays, 2)):
            raise ValueError("tied weights")
        if not all(array.flags.writeable for array in arrays):
            raise ValueError("weights that cannot be changed")
        rates = model.optimizer._config()
        if not rates["decay"]:
            rates["learning_rate"] = model.optimizer.current_learning_rate
        regularizers = [getattr(layer, name) for layer in model.trainable_layers for name in model_file.REGULARIZERS]
        return rates, regularizers, [id(part) for part in parts], [array.shape for array in arrays]

    def _copy(self, engine: CompiledSteps, *, from_layers: bool) -> None:
        """Parameters and the optimizer's state, from the layers to the engine or back."""
        network, optimizer = engine.network, engine.optimizer
        flat = {"": network.parameters}
        if self.model.optimizer._state:
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


def as_ours(layer: Any) -> Any:
    """Our layer for one of the book's. ValueError, TypeError if there is none that does the same."""
    kind = model_file.name_of(layer, model_file.LAYERS)
    if kind == "Dropout":
        raise ValueError("masks are drawn by np.random")
    if kind != "Dense":
        return LAYERS[kind]()
    penalties = {
        f"{parameter}_{order}": getattr(layer, f"{singular}_regularizer_{order}")
        for parameter, singular in (("weights", "weight"), ("biases", "bias"))
        for order in ("l1", "l2")
    }
    if penalties["biases_l1"] or (penalties["weights_l1"] and not layer.weights.all()):
        raise ValueError("the slope of |0| is 1 in the book and 0 in the engine")
    return LAYERS[kind](*layer.weights.shape, initializer="zeros", dtype=layer.weights.dtype, **penalties)  # type: ignore[call-arg]


def optimizer_for(optimizer: Any) -> Optimizer:
    """Ours for one of the book's. TypeError, ValueError for arguments that ours does not take."""
    arguments = optimizer._config()
    if decay := arguments.pop("decay"):
        arguments["learning_rate"] = InverseDecay(arguments["learning_rate"], decay)
    else:
        arguments["learning_rate"] = optimizer.current_learning_rate  # what the book steps with
    return OPTIMIZERS[model_file.name_of(optimizer, model_file.OPTIMIZERS).lower()](**arguments)  # type: ignore[call-arg]
