"""What every optimizer shares: one kernel over the flat parameters, its state, its settings."""

from __future__ import annotations

import weakref
from typing import Any, ClassVar

import numpy as np

from backpass.discovery import register
from backpass.engine.kernels import Kernel

OPTIMIZERS: dict[str, type[Optimizer]] = {}  # every optimizer class by its name in lower case


class Optimizer:
    """Moves the parameters against their gradients.

    The state (moments, the count of steps) belongs to one network and goes on from `fit` to `fit`;
    with another network it starts anew.
    """

    kernel: ClassVar[Kernel]  # (parameters, gradients, ... state by name, settings, counters)
    state_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register(OPTIMIZERS, cls.__name__.lower(), cls)

    def __init__(self, **settings: float):
        self._names = tuple(settings)
        self.settings = np.array(list(settings.values()), np.float64)
        self.iterations = 0  # steps made so far
        self._network: Any = None

    def __getattr__(self, name: str) -> Any:
        names = self.__dict__.get("_names", ())
        if name in names:
            return float(self.settings[names.index(name)])
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting may be changed while training goes on, by a callback for instance."""
        if name in self.__dict__.get("_names", ()):
            checked = type(self)(**{**self.config(), name: value})  # whatever the class itself allows
            self.settings[self._names.index(name)] = getattr(checked, name)
        else:
            super().__setattr__(name, value)

    def attach(self, network: Any, parameters: np.ndarray) -> None:
        """Make state for a network's parameters, unless there is some.

        A copy of an optimizer, or one that was pickled, goes on with the first network of the size it knows.
        """
        kinds = {(array.shape, array.dtype) for array in map(self.__dict__.get, self.state_names) if array is not None}
        copied = self._network is None and kinds == {(parameters.shape, parameters.dtype)}
        if not copied and (self._network is None or self._network() is not network):
            self.iterations = 0
            for name in self.state_names:
                self.__dict__[name] = np.zeros_like(parameters)
        self._network = weakref.ref(network)

    def __getstate__(self) -> dict[str, Any]:
        copies = {name: value.copy() for name, value in self.__dict__.items() if isinstance(value, np.ndarray)}
        return {**self.__dict__, **copies, "_network": None}

    def config(self) -> dict[str, float]:
        """The arguments that make this optimizer anew."""
        return {name: float(value) for name, value in zip(self._names, self.settings, strict=True)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value:g}' for name, value in self.config().items())})"
