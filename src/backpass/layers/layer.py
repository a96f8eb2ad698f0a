"""What every layer shares: its arrays by name, the notebook's protocol, and what the engine needs to know.

A layer is one file: the formula (`forward`, `backward` in NumPy), the kernels, and a class that names them.
A kernel's arguments are found by their names: on the layer (`weights`, `settings`, ...), among what flows
(`inputs`, `output`, `dvalues`, `dinputs`, `saved`), or as the gradient of a parameter (`d` + its name).

A layer of somebody's own may do without kernels: it overrides `forward` and `backward` in plain NumPy, and a Network
that holds it trains by the textbook walk (docs/own_part.md).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.discovery import register
from backpass.engine.kernels import Kernel
from backpass.engine.kernels.compiler import COUNT_LEARNING, COUNT_STEP, COUNT_TRAINING, COUNTER_WORDS
from backpass.layers.penalty import penalty_gradient

Shape = tuple[int, ...]
LAYERS: dict[str, type[Layer]] = {}  # every layer class by name: what model files and the command line look up
NOTHING = np.zeros(0, np.float64)
STORED = ("inputs", "output", "saved")


@lru_cache(maxsize=256)
def knows(function: Any) -> frozenset[str]:
    """The names of a function's arguments."""
    return frozenset(inspect.signature(function).parameters)


def told(method: Any, inputs: np.ndarray, **options: Any) -> Any:
    """method(inputs), told those of the options that it has arguments for."""
    names = knows(getattr(method, "__func__", method))
    return method(inputs, **{name: value for name, value in options.items() if name in names})


@lru_cache(maxsize=256)
def has_kernels(kind: type) -> bool:
    """Whether a class has both kernels, and no newer `forward` or `backward` in Python that they would pass over."""

    def place(name: str) -> int:
        return next(index for index, base in enumerate(kind.__mro__) if name in base.__dict__)

    return all(
        hasattr(kind, f"{name}_kernel") and place(f"{name}_kernel") <= place(name) for name in ("forward", "backward")
    )


def check_first_argument(kernel: Kernel | None) -> None:
    """TypeError for a kernel of a layer or a loss that could not tell how many samples there are."""
    if kernel is not None and not kernel.kinds[0][2]:
        raise TypeError(
            f"{kernel.name} begins with {kernel.arguments[0]}; begin with what has N rows, such as inputs or dvalues"
        )


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
    suits: ClassVar[str | None] = "glorot_normal"  # the initializer of a Dense in front; None: what the next one says
    couples_samples: ClassVar[bool] = False  # True: a batch must stay in one piece, as in batch normalisation
    probabilities: ClassVar[bool] = False  # True: the outputs may be read as probabilities
    distribution: ClassVar[bool] = False  # True: those of a sample add up to 1
    positive: ClassVar[bool] = False  # True: the outputs are above 0, as rates are
    attachments: ClassVar[int] = 0  # of all layers to all buffers so far: where it stands, nothing has moved
    counts: ClassVar[bool] = False  # whether its kernels ask for the step, or whether this is training
    state_names: ClassVar[tuple[str, ...]] = ()  # arrays that training changes without a gradient: running statistics

    inputs: np.ndarray | None = None
    output: np.ndarray | None = None
    saved: np.ndarray | None = None
    dvalues: np.ndarray | None = None
    dinputs: np.ndarray | None = None
    settings: np.ndarray = NOTHING
    counters: np.ndarray = np.zeros(0, np.int64)  # of a layer whose kernels ask for them; the engine hands over its own
    multiplications: int = 0  # of matrix products, for one sample, forward
    penalties: Mapping[str, tuple[float, float]] = {}  # L1 and L2 factor of a parameter, by its name
    _parameters: np.ndarray = NOTHING
    _penalised: bool = False  # whether the last `backward` has added the penalties' gradients
    # inputs, output and saved as the last `forward` left them
    _computed: tuple[np.ndarray | None, np.ndarray, np.ndarray | None] = NOTHING, NOTHING, None

    def __init_subclass__(cls, listed: bool = True, **options: Any) -> None:
        super().__init_subclass__(**options)
        kernels = [getattr(cls, name) for name in ("forward_kernel", "backward_kernel") if hasattr(cls, name)]
        for each in kernels:
            check_first_argument(each)
        cls.counts = any("counters" in each.arguments for each in kernels)
        if listed:
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

    def check_inputs(self, inputs: np.ndarray, name: str) -> None:
        """ValueError if the first layer cannot take these samples (N, D), whose width and numbers are right."""

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """float32 or float64; None for a part without parameters, which computes in its input's dtype."""
        return self.__dict__.get("_dtype")

    @property
    def input_width(self) -> int | None:
        """D, where the layer takes only one width."""
        return None

    @property
    def likely_width(self) -> int | None:
        """D of the first layer that says anything about it."""
        return self.input_width

    @property
    def parameters(self) -> np.ndarray:
        """All parameters, flat."""
        return self._parameters

    @property
    def compiled(self) -> bool:
        """Whether the engine can run it: it has both kernels, and they are what its `forward` and `backward` do."""
        return has_kernels(type(self))  # type: ignore[arg-type]

    def allocate(self, dtype: Any) -> None:
        """Make parameters of this dtype, all 0; a Network moves them into its own buffer."""
        if self.parameter_shapes() and self.input_width is None:
            raise TypeError(
                f"{type(self).__name__} has parameters; define input_width too, the columns that it takes, "
                "so that its kernels are given no others"
            )
        self._dtype = checks.float_dtype(dtype)
        size = sum(math.prod(shape) for shape in self.parameter_shapes().values())
        self.attach(np.zeros(size, self._dtype), np.zeros(size, self._dtype))

    def attach(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        """Make the parameters and their gradients views of two flat buffers, without copying what they held."""
        self._parameters = parameters
        Layer.attachments += 1
        start = 0
        for name, shape in self.parameter_shapes().items():
            end = start + math.prod(shape)
            self.__dict__[f"_{name}"] = parameters[start:end].reshape(shape)
            self.__dict__[f"_d{name}"] = gradients[start:end].reshape(shape)
            start = end

    def prepare(self, following: Layer | None, generator: Any) -> None:
        """Called by the Network that the layer is put into: draw what is random anew (if there is a generator).

        `following` is the next layer that has a say in how weights are drawn.
        """

    # The notebook's protocol.

    def forward(self, inputs: Any, training: bool = True, step: int | None = None) -> np.ndarray:
        """output (N, M) of inputs (N, D); both are kept for `backward`.

        `training` matters to layers such as Dropout and BatchNorm, which then behave otherwise than in a prediction;
        `step` (from 1) chooses the random numbers, None those after the last ones.
        Raises ValueError or TypeError if `inputs` is not a real matrix of the width that the layer takes.
        """
        inputs = checks.samples(checks.matrix(inputs, "inputs", dtype=self.dtype, columns=self.input_width), "inputs")
        N, D = inputs.shape
        self.output = np.empty((N, self.output_width(D)), inputs.dtype)
        self.saved = np.empty((N, self.saved_width(D)), inputs.dtype)
        self.inputs = inputs
        self._computed = inputs, self.output, self.saved
        if self.counts:
            self.counters = self.counters if self.counters.size else np.zeros(COUNTER_WORDS, np.int64)
            self.counters[COUNT_STEP] = self.counters[COUNT_STEP] + training if step is None else step
            self.counters[COUNT_TRAINING] = self.counters[COUNT_LEARNING] = training
        self._check_own(self.forward_kernel, inputs.dtype)
        self.forward_kernel.call(self.forward_kernel.of(self))
        return self.output

    def backward(self, dvalues: Any) -> np.ndarray:
        """dinputs (N, D) = dL/d inputs, from dvalues (N, M) = dL/d output. Sets the parameters' gradients too.

        Raises ValueError if `forward` has not stored what is needed, or if shapes do not meet.
        """
        kernel = self.backward_kernel
        for name in kernel.arguments:
            if name in STORED and getattr(self, name) is None:
                raise ValueError(f"{type(self).__name__}.backward needs .{name}: call forward first")
        inputs, output, saved = self._computed
        if self.inputs is not inputs or self.output is not output or self.saved is not saved:
            self._take_assigned()
        output = self.output  # type: ignore[assignment]  # forward has set it
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
            kernel.call(kernel.of(self))
        except ValueError:  # not contiguous, which the call itself finds out for nothing
            self.dvalues = np.ascontiguousarray(dvalues)
            kernel.call(kernel.of(self))
        if self.penalties:
            self.add_penalty_gradients()
        return self.dinputs

    def add_penalty_gradients(self) -> None:
        """Add the gradients of the L1 and L2 penalties to those of the parameters."""
        for name, factors in self.penalties.items():
            gradient = getattr(self, f"d{name}")
            gradient += penalty_gradient(getattr(self, name), *factors)
        self._penalised = True

    def walk(self, inputs: np.ndarray, training: bool, step: int) -> np.ndarray:
        """`forward` in the textbook walk: a layer without kernels may not know all of its arguments.

        It may also write into what it is given, and later into what it returned, so both are copies.
        """
        inputs = inputs if self.compiled else inputs.copy()
        output = told(self.forward, inputs, training=training, step=step)
        self.inputs, self.output = inputs, self.output if output is None else output
        return self.output if self.compiled else np.array(self.output)  # type: ignore[return-value]

    def walk_back(self, dvalues: np.ndarray) -> np.ndarray:
        """`backward` in the textbook walk, with copies as in `walk`."""
        self._penalised = False
        dvalues = dvalues if self.compiled else dvalues.copy()
        dinputs = self.backward(dvalues)
        if self.penalties and not self._penalised:  # somebody's own, which need not know of penalties
            self.add_penalty_gradients()
        self.dvalues, self.dinputs = dvalues, self.dinputs if dinputs is None else dinputs
        return self.dinputs if self.compiled else np.array(self.dinputs)  # type: ignore[return-value]

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
            saved_of = len(output), self.saved_width(inputs.shape[1])
            fits = (len(inputs), self.output_width(inputs.shape[1])) == output.shape
            if fits and self.saved is not None and saved_of[1]:
                self.saved = checks.matrix(self.saved, "saved", dtype=output.dtype)
            if not fits or (self.saved is not None and self.saved.shape != saved_of):
                raise ValueError(
                    f"{kind}.inputs has shape {inputs.shape} and .output {output.shape}, which do not belong together"
                    f"{' with what forward saved' if fits else ''}; call forward again"
                )
            self.check_inputs(inputs, "inputs")
        else:  # the output alone is needed, and dinputs are of its shape
            self.inputs = None
        self._computed = self.inputs, output, self.saved

    def __getstate__(self) -> dict[str, Any]:
        left = {*STORED, "dvalues", "dinputs", "_computed"}
        for name in self.parameter_shapes():
            left |= {f"_{name}", f"_d{name}"}
        state = {name: value for name, value in self.__dict__.items() if name not in left}
        changing = {"counters", *(f"_{name}" for name in self.state_names)}  # in place: a copy's are its own
        return state | {name: state[name].copy() for name in changing & state.keys()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.attach(self._parameters, np.zeros_like(self._parameters))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.config().items())})"
