"""What every layer shares: its arrays by name, the notebook's protocol, and what the engine needs to know.

A layer is one file: the formula (`forward`, `backward` in NumPy), the kernels, and a class that names them.
A kernel's arguments are found by their names: on the layer (`weights`, `settings`, ...), among what flows
(`inputs`, `output`, `dvalues`, `dinputs`, `saved`), or as the gradient of a parameter (`d` + its name).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.discovery import register
from backpass.engine.kernels import Kernel

Shape = tuple[int, ...]
LAYERS: dict[str, type[Layer]] = {}  # every layer class by name: what model files and the command line look up
NOTHING = np.zeros(0)
STORED = ("inputs", "output", "saved")


class Layer:
    """One step of a network.

    Attributes
    ----------
    inputs, output : ndarray (N, D), (N, M)
        What the last `forward` was given and returned.
    dvalues, dinputs : ndarray (N, M), (N, D)
        What the last `backward` was given and returned: the gradient of the loss by `output` and by `inputs`.
    """

    forward_kernel: ClassVar[Kernel]
    backward_kernel: ClassVar[Kernel]
    suits: ClassVar[str] = "glorot_normal"  # the initializer of a Dense in front of this layer
    couples_samples: ClassVar[bool] = False  # True: a batch must stay in one piece, as in batch normalisation
    probabilities: ClassVar[bool] = False  # True: the outputs may be read as probabilities
    distribution: ClassVar[bool] = False  # True: those of a sample add up to 1

    inputs: np.ndarray | None = None
    output: np.ndarray | None = None
    saved: np.ndarray | None = None
    dvalues: np.ndarray | None = None
    dinputs: np.ndarray | None = None
    settings: np.ndarray = NOTHING
    counters: np.ndarray = np.array([1, 1, 0, 0])  # step, whether training, first row: the engine hands over its own
    _computed: tuple[np.ndarray | None, np.ndarray] = NOTHING, NOTHING  # inputs and output of the last `forward`

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register(LAYERS, cls.__name__, cls)

    # What a layer with parameters, or one that changes the width, overrides.

    def parameter_shapes(self) -> dict[str, Shape]:
        """Shape of each parameter by name, in the order in which they lie in the flat buffer."""
        return {}

    def output_width(self, input_width: int) -> int:
        """M for inputs of D columns; ValueError if the layer cannot take them."""
        return input_width

    def saved_width(self, input_width: int) -> int:
        """Columns of `saved`: what forward keeps for backward besides inputs and output."""
        return 0

    def config(self) -> dict[str, Any]:
        """The arguments that make this layer anew (JSON)."""
        return {}

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """float32 or float64; None for a part without parameters, which computes in its input's dtype."""
        return None

    @property
    def input_width(self) -> int | None:
        """D, where the layer takes only one width."""
        return None

    @property
    def parameters(self) -> np.ndarray:
        """All parameters, flat."""
        return NOTHING

    def attach(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        """Make the parameters and their gradients views of two flat buffers."""

    def prepare(self, following: Layer | None, generator: Any) -> None:
        """Called by the Network that the layer is put into: draw parameters anew (if there is a generator)."""

    # The notebook's protocol.

    def forward(self, inputs: Any) -> np.ndarray:
        """output (N, M) of inputs (N, D); both are kept for `backward`.

        Raises ValueError or TypeError if `inputs` is not a real matrix of the width that the layer takes.
        """
        inputs = checks.samples(checks.matrix(inputs, "inputs", dtype=self.dtype, columns=self.input_width), "inputs")
        N, D = inputs.shape
        self.output = np.empty((N, self.output_width(D)), inputs.dtype)
        self.saved = np.empty((N, self.saved_width(D)), inputs.dtype)
        self.inputs = inputs
        self._computed = inputs, self.output
        self._check_own(self.forward_kernel, inputs.dtype)
        self.forward_kernel(*self.forward_kernel.of(self))
        return self.output

    def backward(self, dvalues: Any) -> np.ndarray:
        """dinputs (N, D) = dL/d inputs, from dvalues (N, M) = dL/d output. Sets the parameters' gradients too.

        Raises ValueError if `forward` has not stored what is needed, or if shapes do not meet.
        """
        kernel = self.backward_kernel
        for name in kernel.arguments:
            if name in STORED and getattr(self, name) is None:
                raise ValueError(f"{type(self).__name__}.backward needs .{name}: call forward first")
        if self.inputs is not self._computed[0] or self.output is not self._computed[1]:
            self._take_assigned()
        output: np.ndarray = self.output  # type: ignore[assignment]  # forward has set it
        if dvalues.__class__ is not np.ndarray or dvalues.shape != output.shape or dvalues.dtype is not output.dtype:
            dvalues = checks.matrix(dvalues, "dvalues", dtype=output.dtype)
            if dvalues.shape != output.shape:
                raise ValueError(f"dvalues has shape {dvalues.shape}; the output has shape {output.shape}")
        self._check_own(kernel, output.dtype)
        self.dvalues = dvalues
        self.dinputs = np.empty_like(dvalues if self.inputs is None else self.inputs)
        for name in self.parameter_shapes():
            getattr(self, f"d{name}")[...] = 0  # kernels add to the parameters' gradients: the engine sums over blocks
        try:
            kernel(*kernel.of(self))
        except ValueError:  # not contiguous, which the call itself finds out for nothing
            self.dvalues = np.ascontiguousarray(dvalues)
            kernel(*kernel.of(self))
        return self.dinputs

    def _check_own(self, kernel: Kernel, dtype: np.dtype[Any]) -> None:
        """TypeError for what this layer brings along itself, such as `settings`, if the kernel would misread it."""
        for name in kernel.own:
            kernel.own_argument(self, name, dtype)

    def _take_assigned(self) -> None:
        """Check `output` (or `inputs`) where somebody assigned it: kernels believe that shapes meet."""
        kind = type(self).__name__
        if self.output is None:
            raise ValueError(f"{kind}.backward needs .output: call forward first")
        output = self.output = checks.samples(checks.matrix(self.output, "output", dtype=self.dtype), "output")
        if "inputs" in self.backward_kernel.arguments or "saved" in self.backward_kernel.arguments:
            inputs = self.inputs = checks.matrix(self.inputs, "inputs", dtype=output.dtype, columns=self.input_width)
            if (len(inputs), self.output_width(inputs.shape[1])) != output.shape:
                raise ValueError(
                    f"{kind}.inputs has shape {inputs.shape} and .output {output.shape}, which do not belong together; "
                    "call forward again"
                )
        else:  # the output alone is needed, and dinputs are of its shape
            self.inputs = None
        self._computed = self.inputs, output

    def __getstate__(self) -> dict[str, Any]:
        left = (*STORED, "dvalues", "dinputs", "_computed")
        return {name: value for name, value in self.__dict__.items() if name not in left}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.config().items())})"
