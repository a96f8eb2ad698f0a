"""Dropout: while training, leave out a random share of the numbers and make the rest larger.

Forward, training                           inputs (N, M) -> output (N, M)
    mask[n, m]    = 0 with probability rate, else 1 / (1 - rate)
    output        = inputs * mask               so that the expected output is the input
Forward, predicting
    output        = inputs

Backward                                    dvalues = dL/d output, (N, M)
    dinputs       = dvalues * mask

The mask is `saved`. It is a function of the layer's seed, the step, the sample's place in the batch and the column, not
of what was drawn before: a step can be repeated, and a run that goes on draws what one long run would have drawn.
"""

from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import kernel, random_bits, random_bits_32
from backpass.engine.kernels.compiler import COUNT_ROW, COUNT_STEP, COUNT_TRAINING
from backpass.layers.layer import Layer
from backpass.layers.view import Setting


def forward(inputs, saved):
    return inputs * saved


def backward(saved, dvalues):
    return dvalues * saved


@kernel
def forward_kernel(inputs, output, saved, settings, counters):
    real = inputs.dtype.type
    rate = settings[0] if counters[COUNT_TRAINING] == 1 else 0.0
    dropped_below, zero, kept = np.uint32(rate * 2.0**32), real(0), real(1 / (1 - rate))
    of_step = random_bits(np.uint64(settings[1]), counters[COUNT_STEP])
    for n in range(inputs.shape[0]):
        key = np.uint32(random_bits(of_step, counters[COUNT_ROW] + n) >> np.uint64(32))
        for m in range(inputs.shape[1]):
            factor = zero if random_bits_32(key, m) < dropped_below else kept
            saved[n, m] = factor
            output[n, m] = inputs[n, m] * factor


@kernel
def backward_kernel(saved, dvalues, dinputs):
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m] * saved[n, m]


class Dropout(Layer):
    """Inverted dropout: a prediction needs no scaling.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability with which a number is left out.
    random_state : int, RandomState, Generator, optional
        Chooses the masks. A layer that was given none gets a seed from `Network(random_state=...)`.

    Attributes
    ----------
    saved : ndarray (N, M)
        The mask of the last `forward`.

    Raises
    ------
    ValueError, TypeError
        A rate that is no number in [0, 1).

    `forward` draws a new mask at each call; `forward(inputs, step=7)` draws that of step 7.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: a simple way to prevent neural networks
    from overfitting", JMLR 15, 2014.

    >>> dropout = Dropout(0.5, random_state=0)
    >>> output = dropout.forward([[1.0] * 6], step=1)
    >>> sorted(set(output[0].tolist()))
    [0.0, 2.0]
    >>> dropout.forward([[1.0, 2.0]], training=False)
    array([[1., 2.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = None
    rate = Setting(0, low=0, high=1)

    def __init__(self, rate: float = 0.5, *, random_state: Any = None):
        self.settings = np.zeros(2, np.float64)
        self.rate = rate  # type: ignore[assignment]
        self.random_state = random_state
        self.seed = checks.draw_seed(checks.generator(random_state))

    @property
    def seed(self) -> int:
        """The number that the masks depend on."""
        return int(self.settings[1])

    @seed.setter
    def seed(self, value: int) -> None:
        self.settings[1] = value

    def saved_width(self, input_width: int) -> int:
        return input_width

    def prepare(self, following: Layer | None, generator: Any) -> None:
        if generator is not None and self.random_state is None:
            self.seed = checks.draw_seed(generator)

    def config(self) -> dict[str, Any]:
        return {"rate": self.rate}
