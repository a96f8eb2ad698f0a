"""Parameters that scikit-learn's MLPs do not have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from backpass.estimators.recipe import ACTIVATIONS
from backpass.layers.layer import Layer
from backpass.optimizers.optimizer import Optimizer

OWN = {
    "optimizer": None,
    "dropout": 0.0,
    "batch_norm": False,
    "layer_norm": False,
    "scoring": None,
    "n_threads": None,
    "n_ensemble": 1,
}
CONSTRAINTS: dict[str, list[Any]] = {
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple, Layer, HasMethods(["forward", "backward"])],
    "optimizer": [None, Optimizer],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "batch_norm": ["boolean"],
    "layer_norm": ["boolean"],
    "scoring": [None, str, callable],
    "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    "n_ensemble": [Interval(Integral, 1, None, closed="left")],
}


def init_of(theirs: type, **own: Any) -> Callable[..., None]:
    """An `__init__` that takes the parameters of scikit-learn's class, as installed, and behind them ours by name."""
    signature = inspect.signature(theirs.__init__)  # type: ignore[misc]
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default) for name, default in own.items()]
    whole = signature.replace(parameters=[*signature.parameters.values(), *added])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = whole.bind(self, *args, **kwargs)
        for name, default in own.items():
            setattr(self, name, given.arguments.pop(name, default))
        theirs.__init__(*given.args, **given.kwargs)  # type: ignore[misc]

    __init__.__signature__ = whole  # type: ignore[attr-defined]  # what get_params goes by
    return __init__
