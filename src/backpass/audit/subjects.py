"""What can be audited, behind one face: a layer, a loss, a combined step, a pair of functions, a whole network.

A subject has variables by name (`inputs` and its parameters), a forward pass from them to an array of terms, and a
backward pass that claims the gradient of sum(dvalues * terms) by each variable. Everything runs on copies, in float64,
from the same random state each time: the object that was handed in stays as it is.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from typing import Any

import numpy as np

from backpass.audit import formulas, own_parts
from backpass.audit.generators import Generators
from backpass.audit.own_parts import as_float64, in_float64
from backpass.audit.variables import Values, Variable, found_beside, items_of, numbers_of, read, spelt, write
from backpass.layers.layer import Layer, told
from backpass.layers.own import PARAMETERS, parameters_of
from backpass.layers.penalty import penalty_gradient
from backpass.losses.loss import Loss

USUAL = {"W", "w", "b", "bias", "weight", "gamma", "beta", "scale", "shift"}
MOST_LOOKED_FOR = 200  # numbers without a gradient of which it is asked whether forward uses them
MOST_APART = 32  # samples whose losses are asked for one by one

Claims = dict[str, Any]  # gradient by variable; None where backward has left none


class Subject:
    """A part with its variables.

    Attributes
    ----------
    values : dict of ndarray
        `inputs` and the parameters, in float64.
    variables : dict of Variable
        Where the parameters and their gradients are.
    unseen : list of str
        Numbers that forward uses and that have no gradient anywhere.
    """

    takes_truth = False

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        self.part, self.y_true = part, np.array(y_true) if isinstance(y_true, list | tuple) else y_true
        self.generators = Generators(self.part)
        self.whole = False  # whether inputs are indices, which no derivative is taken of
        self.name = type(part).__name__
        self.values: Values = {"inputs": as_float64(inputs)}
        self.variables: dict[str, Variable] = {}
        self.unseen: list[str] = []
        self.factors: dict[str, tuple[float, float]] = {}  # L1 and L2 of the parameters that have a penalty

    def take(self, found: dict[str, Variable]) -> None:
        """These are parameters."""
        self.variables |= found
        for name, variable in found.items():
            self.values[name] = np.array(read(self.part, variable.path), np.float64)

    def fresh(self, values: Values) -> Any:
        """A copy of the part whose parameters are these."""
        return self.with_parameters(copy.deepcopy(self.part), values)

    def with_parameters(self, part: Any, values: Values) -> Any:
        for name, variable in self.variables.items():
            write(part, variable.path, values[name])
        return part

    def forward(self, part: Any, inputs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        """Call the part's own; what it returns."""
        raise NotImplementedError

    def terms(self, values: Values) -> np.ndarray:
        """What the forward pass makes of these variables."""
        return self.forward(self.fresh(values), values["inputs"].copy())

    @property
    def has_formula(self) -> bool:
        """Whether `analytic` is a formula of ours, which complex numbers can be trusted to."""
        return isinstance(self.part, Layer | Loss) and formulas.has_formula(self.part)

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        """The same for complex variables: what plain NumPy may be able to do."""
        return self.terms

    def weights(self, terms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """dvalues: by how much each term counts."""
        return np.full(terms.shape, 1 / max(terms.size, 1))

    def look_for_parameters(self) -> None:
        """Take what has a gradient beside it once backward has run; what forward uses besides is `unseen`."""
        trial = self.fresh(self.values)
        with suppress(Exception):  # what it is will be told of later
            output = self.forward(trial, self.values["inputs"].copy())
            used = copy.deepcopy(trial)
            self.backward(trial, np.ones(output.shape))
            made = found_beside(used, trial, lambda path: read(self.part, path) is None and self.stays(used, path))
            if made and set(items_of(used)) - set(items_of(self.part)):
                self.part = used  # some parameters are made by the first forward
        known = {variable.path for variable in self.variables.values()}
        self.take(found_beside(self.part, trial, lambda path: path not in known and self.stays(self.part, path)))
        known = {variable.path for variable in self.variables.values()}
        numbers = {path: value for path, value in numbers_of(self.part).items() if path not in known}
        moving = [path for path in numbers if len(path) == 1 or not isinstance(numbers[path], float)]
        moving = [path for path in moving[:MOST_LOOKED_FOR] if self.effect_of(self.part, path)]
        if self.variables:  # beside one that has a gradient, what is called as parameters are is one too
            beside = {variable.path[:-1] for variable in self.variables.values()}
            usual = [path for path in moving if path[:-1] in beside and path[-1] in (*USUAL, *PARAMETERS)]
            self.take({spelt(path): Variable(path, (*path[:-1], f"d{path[-1]}")) for path in usual})
        taken = {variable.path for variable in self.variables.values()}
        self.unseen = sorted(
            spelt(path) for path in moving if path not in taken and not isinstance(numbers[path], float)
        )

    def stays(self, part: Any, path: tuple[Any, ...]) -> bool:
        """Whether forward leaves what is put there: else it is a result, not a parameter."""
        return self.effect_of(part, path) is not None

    def effect_of(self, part: Any, path: tuple[Any, ...]) -> bool | None:
        """Whether the terms change with a number of a part; None if forward puts another in its place."""
        moved, inputs = copy.deepcopy(part), self.values["inputs"]
        value = np.array(read(moved, path), np.float64)
        try:
            write(moved, path, value * 1.01 + 0.01 * (value == 0))
            there = np.array(read(moved, path))
            self.generators.rewind()
            terms = self.forward(moved, inputs.copy())
            if not np.array_equal(there, read(moved, path)):
                return None
            self.generators.rewind()
            return not np.array_equal(terms, self.forward(copy.deepcopy(part), inputs.copy()))
        except Exception:
            return False

    def penalty(self, name: str, value: Any) -> np.ndarray | None:
        """What penalties add to the gradient of a parameter; None if it has none."""
        return penalty_gradient(value, *self.factors[name]) if name in self.factors else None

    def claims(self, part: Any, dvalues: np.ndarray) -> Claims:
        """What backward says, by variable. Gradients that penalties add are taken off again."""
        returned = self.backward(part, dvalues)
        if isinstance(returned, tuple):
            given = own_parts.assigned(returned, list(self.values), self.values)
        else:
            given = {"inputs": getattr(part, "dinputs", None) if returned is None else returned}
        found: Claims = {}
        for name, value in self.values.items():
            gradient = given.get(name)
            if gradient is None and name in self.variables:
                gradient = read(part, self.variables[name].gradient)
            found[name] = None if gradient is None else np.array(gradient, np.float64)  # lists of numbers too
            if found[name] is not None and value.ndim == 0 and found[name].size == 1:
                found[name] = found[name].reshape(())
            penalty = self.penalty(name, read(part, self.variables[name].path) if name in self.factors else None)
            if found[name] is not None and penalty is not None and found[name].shape == penalty.shape:
                found[name] = found[name] - penalty
        return found


class LayerSubject(Subject):
    """forward(inputs), backward(dvalues)."""

    def listed(self, ours: bool) -> list[str]:
        """Parameters that a layer names, or are called weights and biases; lists of several arrays are found later."""
        if ours:
            return list(self.part.parameter_shapes())
        several = [name for name in PARAMETERS if isinstance(getattr(self.part, name, None), list | tuple)]
        names = [name for name in PARAMETERS if getattr(self.part, name, None) is not None and name not in several]
        names += [name for name in getattr(self.part, "parameter_names", ()) if name not in (*names, *several)]
        held = types.SimpleNamespace(
            parameter_names=names, **{name: getattr(self.part, name) for name in names if hasattr(self.part, name)}
        )
        return list(parameters_of(held))

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(formulas.in_float64(part) if isinstance(part, Layer) else in_float64(part), inputs, y_true)
        ours = isinstance(self.part, Layer) and bool(self.part.parameter_shapes())
        self.take({name: Variable((name,), (f"d{name}",)) for name in self.listed(ours)})
        if np.asarray(inputs).dtype.kind in "iu" and not ours:
            try:
                self.forward(copy.deepcopy(self.part), self.values["inputs"].copy())
            except (IndexError, TypeError):
                self.whole = True
        if not isinstance(self.part, Layer) or (not ours and not self.part.compiled):
            self.look_for_parameters()
        self.factors = {name: pair for name, pair in own_parts.penalties_of(self.part).items() if name in self.values}

    def forward(self, part: Any, inputs: np.ndarray) -> np.ndarray:
        inputs = inputs.astype(np.int64) if self.whole else inputs
        output = told(part.forward, inputs, **own_parts.TOLD)
        output = getattr(part, "output", None) if output is None else output
        if output is None or isinstance(output, tuple):
            what = "returns a tuple; return" if isinstance(output, tuple) else "has to set .output or return"
            raise ValueError(f"{what} the output alone")
        return np.asarray(output)

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        return part.backward(dvalues)

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        if not self.has_formula:
            return self.terms
        layer = self.fresh(self.values)
        self.forward(layer, self.values["inputs"])  # for what it saves, such as the mask of Dropout
        return lambda values: formulas.output_of(layer, **values)

    def weights(self, terms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=terms.shape)


class LossSubject(Subject):
    """forward(y_pred, y_true) and backward(y_pred, y_true), or backward(output, y_true) of a combined step."""

    takes_truth = True

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(in_float64(part), inputs, y_true)
        if not isinstance(part, Loss):
            self.look_for_parameters()  # a network in one class has some
        self.apart = False
        if 1 < len(self.values["inputs"]) <= MOST_APART:  # then it is known what each sample adds to a gradient
            with suppress(Exception):
                mean, each = self.terms(self.values), self.losses_apart(self.values)
                near = np.sqrt(np.finfo(mean.dtype).eps) * np.abs(each).mean()  # a sum is at least twice the mean
                self.apart = (
                    mean.ndim == 0 and len(each) == len(self.values["inputs"]) and abs(each.mean() - mean) <= near
                )

    def forward(self, part: Any, inputs: np.ndarray, y_true: Any = None) -> np.ndarray:
        self.inputs, y_true = inputs, self.y_true if y_true is None else y_true
        if isinstance(part, Loss) and hasattr(part, "sample_losses"):
            return part.sample_losses(inputs, y_true)
        losses = part.forward(*((y_true, inputs) if own_parts.truth_first(part.forward) else (inputs, y_true)))
        if losses is None or isinstance(losses, tuple):
            raise ValueError("it has to return one loss a sample, or their mean, alone")
        return np.asarray(losses)

    def terms(self, values: Values) -> np.ndarray:
        return self.losses_apart(values) if self.apart else super().terms(values)

    def losses_apart(self, values: Values) -> np.ndarray:
        """Loss of each sample (N,), of a forward that gives only their mean."""
        inputs, y_true = values["inputs"], np.asarray(self.y_true)
        each = [
            self.forward(self.fresh(values), inputs[n : n + 1].copy(), y_true[n : n + 1]) for n in range(len(inputs))
        ]
        return np.array(each).reshape(-1)

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        """Of the mean: there is nothing to the right of a loss."""
        output = getattr(part, "output", None)
        combined = isinstance(output, np.ndarray) and output.ndim == 2 and len(output) == len(self.inputs)
        first, names = output if combined else self.inputs, own_parts.arguments_of(part.backward)
        if own_parts.truth_first(part.backward):
            return part.backward(self.y_true, first)
        if not names:
            variadic = any(each.kind is each.VAR_POSITIONAL for each in signature(part.backward).parameters.values())
            return part.backward(*((first, self.y_true) if variadic else ()))
        if names[0] in own_parts.TRUTHS:
            return part.backward(self.y_true)
        return (
            part.backward()
            if names[0] in own_parts.ARRIVING[1:]
            else part.backward(*(first, self.y_true)[: len(names)])
        )

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        if not self.has_formula:
            return self.terms
        rows = formulas.rows_of(self.part, self.y_true, self.values["inputs"].shape[1])
        return lambda values: formulas.losses_of(self.part, values["inputs"], rows)
