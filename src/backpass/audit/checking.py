"""`check`: is a part's gradient right, and if not, what is the mistake called?"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks
from backpass.audit import own_parts
from backpass.audit.auditing import Audit
from backpass.audit.generators import Generators
from backpass.audit.network_subject import NetworkSubject
from backpass.audit.own_parts import Functions, LossFunctions
from backpass.audit.report import Report
from backpass.audit.subjects import LayerSubject, LossSubject, Subject
from backpass.losses.loss import Loss
from backpass.network import Network


def check(part: Any, inputs: Any, y_true: Any = None, *, random_state: Any = 0) -> Report:
    """Hold a part's backward pass against its forward pass, in float64, for the inputs and for every parameter.

    Parameters
    ----------
    part : object
        A layer, as the notebook has it: `forward(inputs)` or `forward(inputs, training)` sets `.output` or returns it,
        `backward(dvalues)` sets `.dinputs` or returns it; parameters are `.weights`, `.biases`, those that
        `.parameter_names` lists, and arrays with a d + name beside them. A loss: `forward(y_pred, y_true)` gives one
        loss a sample, `backward(y_pred, y_true)` the gradient of their mean. A combined step: `forward(inputs, y_true)`
        and `backward(output, y_true)`. A pair (forward, backward) of NumPy functions. A Network, with its loss.
        No base class is needed. The part is copied, and stays as it is.
    inputs : array-like (N, D)
    y_true : array-like, optional
        For losses, combined steps and networks.
    random_state : int, RandomState, Generator, optional
        Draws the incoming gradient, and the entries of large arrays that are looked at.

    Returns
    -------
    Report
        `.passed`, `.entries`, `.findings`, `.notes`.

    Raises
    ------
    TypeError, ValueError
        What is no part, or does not take these inputs.

    Central differences to 1e-6 and, where the forward pass is analytic, the complex step, relative to the entry or to a
    thousandth of the largest; entries beside a kink are left out and counted. Sources: see `backpass.audit.numeric`.

    >>> import backpass as bp
    >>> inputs = np.random.default_rng(0).normal(size=(7, 4))
    >>> check(bp.Dense(4, 3, random_state=0), inputs).passed
    True
    >>> class Doubled(bp.Tanh, listed=False):
    ...     def backward(self, dvalues):
    ...         return 2 * super().backward(dvalues)
    >>> [str(finding) for finding in check(Doubled(), inputs).findings]
    ['scaled-by-constant in dinputs: claimed / true = 2 in every entry']
    """
    rng = np.random.default_rng(checks.draw_seed(checks.generator(random_state)))
    with Generators(part).kept(), np.errstate(all="ignore"):
        return Audit(subject_of(part, inputs, y_true), rng).report()


def subject_of(part: Any, inputs: Any, y_true: Any) -> Subject:
    """The face that fits the part. TypeError, ValueError for what is none, or lacks y_true."""
    if isinstance(part, type):
        raise TypeError(f"{part.__name__} is a class; pass an object of it, such as {part.__name__}()")
    if isinstance(part, tuple | list):
        if len(part) not in (2, 3) or not callable(part[0]) or not callable(part[1]):
            raise TypeError("pass a pair (forward, backward) of functions, or with a dict of parameters as a third")
        forward, backward, parameters = (*part, {})[:3]
        part = (Functions if y_true is None else LossFunctions)(forward, backward, parameters)
        part.__class__ = type(getattr(forward, "__name__", "forward"), (type(part),), {})
    if not all(callable(getattr(part, name, None)) for name in ("forward", "backward")):
        raise TypeError(f"{part!r} has no forward and backward; pass an object that has both, such as Dense(4, 3)")
    kind: type[Subject] = LayerSubject
    if isinstance(part, Network):
        kind = NetworkSubject
    elif isinstance(part, Loss) or own_parts.takes_truth(part.forward):
        kind = LossSubject
    if kind.takes_truth and y_true is None:
        raise ValueError(f"{type(part).__name__} compares with the truth; pass y_true too")
    if not kind.takes_truth and y_true is not None:
        raise ValueError(f"{type(part).__name__}.forward takes no y_true; leave it out")
    return kind(part, inputs, y_true)
