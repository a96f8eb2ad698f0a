"""A layer of somebody's own: any object with the notebook's `forward(inputs)` and `backward(dvalues)` in NumPy."""

from __future__ import annotations

import copy
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from backpass import checks
from backpass.layers.layer import Layer, told

PARAMETERS, RETURNED = ("weights", "biases"), ("output", "dinputs")
OWNERS: WeakValueDictionary[int, OwnLayer] = WeakValueDictionary()  # by the id of the object that they hold


def parameters_of(part: Any) -> dict[str, np.ndarray]:
    """The arrays that training changes, by name. TypeError, ValueError for names that name none."""
    listed = getattr(part, "parameter_names", ())
    if isinstance(listed, str):
        raise TypeError(f"parameter_names of {type(part).__name__} is {listed!r}; pass a list of names")
    arrays = {}
    for name in dict.fromkeys((*PARAMETERS, *listed)):
        if name not in listed and getattr(part, name, None) is None:
            continue
        if not hasattr(part, name):
            raise ValueError(f"parameter_names of {type(part).__name__} lists {name}, which it has not")
        array = getattr(part, name)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise TypeError(
                f"{name} of {type(part).__name__} is {array!r}; training changes NumPy arrays, such as np.array([0.25])"
            )
        arrays[name] = array
    return arrays


class OwnLayer(Layer, listed=False):
    """An object with the notebook's protocol, as a layer of a Network, which then trains by the textbook walk.

    `forward(inputs)`, or `forward(inputs, training)`, returns the output or sets `.output`; `backward(dvalues)` returns
    dL/d inputs or sets `.dinputs`. Parameters are the arrays `.weights` and `.biases`, and those that
    `.parameter_names` lists; `backward` sets the gradient of each under `d` + its name.
    """

    def __init__(self, part: Any):
        self.part = part
        arrays = parameters_of(part)
        self.shapes = {name: array.shape for name, array in arrays.items()}
        flat = [array.ravel() for array in arrays.values()]
        parameters = np.concatenate(flat) if flat else np.zeros(0)
        self.attach(parameters, np.zeros_like(parameters))

    def attach(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        super().attach(parameters, gradients)
        OWNERS[id(self.part)] = self
        for name in self.shapes:
            setattr(self.part, name, self.__dict__[f"_{name}"])

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.shapes

    @property
    def input_width(self) -> int | None:
        return getattr(self.part, "n_inputs", None)

    @property
    def likely_width(self) -> int | None:
        """As in the notebook, weights have a row for each input; a part for which that is not so has `n_inputs`."""
        shape = self.shapes.get("weights", ())
        return self.input_width or (shape[0] if len(shape) == 2 and shape[0] > 1 else None)

    def output_width(self, input_width: int) -> int:
        """Found out by asking a copy of the object."""
        try:
            return copy.copy(self).walk(np.zeros((2, input_width)), False, 1).shape[1]
        except Exception as error:
            raise ValueError(f"{self!r} does not take {input_width} inputs: {error}") from error

    def walk(self, inputs: np.ndarray, training: bool, step: int) -> np.ndarray:
        """The object gets copies, and gives them: what it writes into its arrays, then or later, is its own affair."""
        self.inputs, self.output = inputs, self.forward(inputs.copy(), training, step).copy()
        return self.output

    def walk_back(self, dvalues: np.ndarray) -> np.ndarray:
        self.dvalues, self.dinputs = dvalues, self.backward(dvalues.copy()).copy()
        return self.dinputs

    def forward(self, inputs: Any, training: bool = True, step: int | None = None) -> np.ndarray:
        self._take_back()
        output = told(self.part.forward, inputs, training=training, step=step)
        output = checks.matrix(given(self, "output") if output is None else output, f"the output of {self!r}")
        checks.same_length(inputs, "inputs", output, f"the output of {self!r}")
        return output

    def _take_back(self) -> None:
        """What trains are the network's views: an array that somebody put in the place of one is copied into it."""
        for name in self.shapes:
            array, view = getattr(self.part, name), self.__dict__[f"_{name}"]
            if array is view:
                continue
            if np.shape(array) != view.shape:
                raise ValueError(f"{name} of {self!r} has shape {np.shape(array)}; {view.shape} is expected")
            view[...] = array
            setattr(self.part, name, view)

    def backward(self, dvalues: Any) -> np.ndarray:
        dinputs = self.part.backward(dvalues)
        dinputs = given(self, "dinputs") if dinputs is None else dinputs
        new = [name for name in PARAMETERS if name not in self.shapes and getattr(self.part, name, None) is not None]
        if new:
            raise ValueError(f"{new[0]} of {self!r} was not there when the network was made; make it in __init__")
        self._take_back()
        for name, shape in self.shapes.items():
            gradient = np.asarray(given(self, f"d{name}"))
            if gradient.shape != shape:
                raise ValueError(f"d{name} of {self!r} has shape {gradient.shape}; {name} has {shape}")
            self.__dict__[f"_d{name}"][...] = gradient
        return checks.matrix(dinputs, f"the dinputs of {self!r}")

    def __getstate__(self) -> dict[str, Any]:
        self._take_back()
        return super().__getstate__()

    def __copy__(self) -> OwnLayer:
        return copy.deepcopy(self)  # the object may fill arrays that it keeps

    def __repr__(self) -> str:
        return f"{type(self.part).__name__}()"


def given(layer: OwnLayer, name: str) -> Any:
    """What the object has to set when it does not return it. ValueError if it did neither."""
    value = getattr(layer.part, name, None)
    if value is None:
        method = "forward" if name == "output" else "backward"
        raise ValueError(f"{layer!r}.{method} has to set .{name}{' or return it' if name in RETURNED else ''}")
    return value


def own_part(layer: Any) -> Any:
    """The object that a layer holds, if it is somebody's own; else the layer."""
    return layer.part if isinstance(layer, OwnLayer) else layer


def as_layer(part: Any) -> Any:
    """The part itself if it is a Layer that says what its parameters are; wrapped, if it has forward and backward."""
    silent = isinstance(part, Layer) and not part.compiled and not part.parameter_shapes()
    names = (*PARAMETERS, *getattr(part, "parameter_names", ())) if silent else ()
    silent = any(isinstance(part.__dict__.get(name), np.ndarray) for name in names)
    if (isinstance(part, Layer) and not silent) or isinstance(part, type):
        return part
    return OwnLayer(part) if callable(getattr(part, "forward", None)) and hasattr(part, "backward") else part
