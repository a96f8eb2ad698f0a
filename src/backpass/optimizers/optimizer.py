"""What every optimizer shares: one kernel over the flat parameters, its state, its settings.

And what may be done with a step whatever the optimizer: clip the gradients before it, average the weights after it.

    by value  gradients = min(max(gradients, -clip_value), clip_value)
    by norm   gradients = gradients * min(1, clip_norm / sqrt(sum gradients ** 2))
    average   average   = keep * average + (1 - keep) * parameters,   keep = min(weight_average, (1 + t) / (10 + t))

The average starts at the first weights; the second factor lets go of them in the first steps, t counting from 1.
"""

from __future__ import annotations

import copy
import inspect
import math
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.discovery import register
from backpass.engine.kernels import Kernel, Vector, elementwise, kernel
from backpass.engine.kernels.compiler import COUNT_STEP
from backpass.optimizers.schedules import Schedule

OPTIMIZERS: dict[str, type[Optimizer]] = {}  # every optimizer class by its name in lower case
COMMON = ("clip_norm", "clip_value", "weight_average")


@elementwise
@kernel
def clip_value_kernel(gradients, settings):
    largest = gradients.dtype.type(settings[0])
    for i in range(gradients.size):
        gradient = gradients[i]
        gradient = largest if gradient > largest else gradient  # not min: NaN has to pass
        gradients[i] = -largest if gradient < -largest else gradient


@kernel
def clip_norm_kernel(gradients, settings):
    total = 0.0
    for i in range(gradients.size):
        gradient = np.float64(gradients[i])  # float() of a float32 stays one here, and its square may overflow
        total += gradient * gradient
    norm = math.sqrt(total)
    if norm > settings[0]:
        factor = gradients.dtype.type(settings[0] / norm)
        for i in range(gradients.size):
            gradients[i] *= factor


@elementwise
@kernel
def average_kernel(parameters, average: Vector, settings, counters):
    real, t = parameters.dtype.type, counters[COUNT_STEP]
    keep = min(settings[0], (1 + t) / (10 + t))
    for i in range(parameters.size):
        average[i] += real(1 - keep) * (parameters[i] - average[i])  # type: ignore[index]


def fingerprint(parameters: np.ndarray) -> tuple[Any, ...]:
    return parameters.shape, parameters.dtype, zlib.crc32(parameters)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def known_arguments(optimizer: type[Optimizer]) -> set[str]:
    """Of this class and of those that it is made from, whose arguments it may fix."""
    known = set()
    for kind in optimizer.__mro__:
        arguments = inspect.signature(vars(kind).get("__init__", object.__init__)).parameters.values()
        known |= {each.name for each in arguments if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    return known


class Optimizer:
    """Moves the parameters against their gradients.

    Every optimizer takes these, beside its own:

    learning_rate : float above 0, or Schedule
        A schedule, such as `Cosine(0.01)`, gives each step its own.
    clip_norm, clip_value : float above 0, optional
        Longest gradient (all parameters together), and largest entry of it.
    weight_average : float in [0, 1), optional
        How much the moving average of the weights keeps at each step. After `fit`, and whenever an epoch is evaluated,
        the network holds the average; training goes on from the weights themselves.

    The state (moments, the count of steps) belongs to one network and goes on from `fit` to `fit`;
    with another network it starts anew.
    """

    kernel: ClassVar[Kernel]  # (parameters, gradients, ... state by name, settings, counters)
    state_names: ClassVar[tuple[str, ...]] = ()
    schedule: Schedule | None = None
    average: np.ndarray | None = None
    _own: np.ndarray | None = None  # the weights themselves, while the network holds the average
    _left: tuple[Any, ...] | None = None  # what the parameters were after the last fit

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register(OPTIMIZERS, cls.__name__.lower(), cls)

    def __init__(
        self,
        *,
        learning_rate: float | Schedule,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        weight_average: float | None = None,
        **settings: float,
    ):
        if unknown := settings.keys() - known_arguments(type(self)):  # type: ignore[arg-type]
            raise TypeError(
                f"{type(self).__name__} takes no {min(unknown)}; beside its own it takes {', '.join(COMMON)}"
            )
        if isinstance(learning_rate, Schedule):
            self.schedule = learning_rate
            learning_rate = float(learning_rate.rates(np.zeros(1, np.int64), 1)[0])
        else:
            learning_rate = checks.real(learning_rate, "learning_rate", low=0, open_low=True)
        limits = {"clip_norm": clip_norm, "clip_value": clip_value}
        for name, limit in limits.items():
            limits[name] = None if limit is None else checks.real(limit, name, low=0, open_low=True)
        average = None if weight_average is None else checks.real(weight_average, "weight_average", low=0, high=1)
        self.common = {**limits, "weight_average": average}
        # as kernels read them: a limit that is changed while training goes on is heard
        self._limits = {name: np.array([0.0 if value is None else value]) for name, value in self.common.items()}
        self._names = ("learning_rate", *settings)
        self.settings = np.array([learning_rate, *settings.values()], np.float64)
        self.iterations = 0  # steps made so far
        self._network: Any = None

    def __getattr__(self, name: str) -> Any:
        names = self.__dict__.get("_names", ())
        if name in names:
            return float(self.settings[names.index(name)])
        if name in COMMON and "common" in self.__dict__:
            return self.common[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting may be changed while training goes on, by a callback for instance.

        To clip or to average at all, or no longer, is heard by the next fit.
        """
        if name in self.__dict__.get("_names", ()):
            checked = type(self)(**{**self.config(), name: value})  # whatever the class itself allows
            self.settings[self._names.index(name)] = getattr(checked, name)
            if name == "learning_rate":
                self.schedule = checked.schedule
        elif name in COMMON:
            self.common = type(self)(**{**self.config(), name: value}).common
            if self.common[name] is not None:
                self._limits[name][0] = self.common[name]
        else:
            super().__setattr__(name, value)

    def attach(self, network: Any, parameters: np.ndarray) -> None:
        """Make state for a network's parameters, unless there is some.

        A copy of an optimizer, or one that was pickled, goes on with a network whose parameters are those that the
        last fit has left.
        """
        copied = self._network is None and self._left == fingerprint(parameters)
        if not copied and (self._network is None or self._network() is not network):
            self.iterations = 0
            for name in self.state_names:
                self.__dict__[name] = np.zeros_like(parameters)
            self.average = self._own = None
            if self.schedule is not None:
                self.schedule.reset()
        self._network = weakref.ref(network)
        if self._own is not None and self.holds_average(parameters):
            parameters[:] = self._own  # go on from the weights themselves
        else:  # somebody has put others in
            self.average = None
        if self.weight_average is None:
            self.average = None
        elif self.average is None:
            self.average = parameters.copy()

    def finish(self, parameters: np.ndarray) -> None:
        """Put the average into the network, if there is one."""
        if self.average is not None and self.weight_average is not None:
            self._own = parameters.copy()
            parameters[:] = self.average
        self._left = fingerprint(parameters)

    def holds_average(self, parameters: np.ndarray) -> bool:
        return self.average is not None and np.array_equal(parameters, self.average)

    @contextmanager
    def shown(self, parameters: np.ndarray) -> Iterator[None]:
        """The network holds the average inside, and what it held before afterwards."""
        self.finish(parameters)
        try:
            yield
        finally:  # a callback may raise, and the next fit goes on from the weights themselves
            if self.holds_average(parameters):  # else somebody has put others in
                parameters[:] = self._own

    def calls(self, parameters: np.ndarray, gradients: np.ndarray, counters: np.ndarray) -> list[Any]:
        """The kernels of a step in their order, each with its arrays by name."""
        state = {name: getattr(self, name) for name in (*self.state_names, "settings")}
        calls: list[Any] = []
        for made, name in ((clip_norm_kernel, "clip_norm"), (clip_value_kernel, "clip_value")):
            if self.common[name] is not None:
                calls.append((made, {"gradients": gradients, "settings": self._limits[name]}))
        calls.append((self.kernel, {"parameters": parameters, "gradients": gradients, "counters": counters, **state}))
        if self.weight_average is not None:
            given = {"average": self.average, "settings": self._limits["weight_average"], "counters": counters}
            calls.append((average_kernel, {"parameters": parameters, **given}))
        return calls

    def __getstate__(self) -> dict[str, Any]:
        copies = {name: value.copy() for name, value in self.__dict__.items() if isinstance(value, np.ndarray)}
        changing = {"_limits": copy.deepcopy(self._limits), "schedule": copy.deepcopy(self.schedule)}
        return {**self.__dict__, **copies, **changing, "_network": None}

    def config(self) -> dict[str, Any]:
        """The arguments that make this optimizer anew."""
        own = {name: float(value) for name, value in zip(self._names, self.settings, strict=True)}
        scheduled = {} if self.schedule is None else {"learning_rate": self.schedule}
        return own | scheduled | {name: value for name, value in self.common.items() if value is not None}

    def __repr__(self) -> str:
        shown = (
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.config().items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"
