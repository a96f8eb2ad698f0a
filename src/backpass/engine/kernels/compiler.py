"""`@kernel`: from a Python function on arrays to machine code, compiled once per machine.

Every compiled function has the same C signature, whatever its arguments: it takes the address of a
*record*, a row of int64 that says where its arrays lie,

    [0]              address of the kernel itself
    [1]              N, the number of samples (rows) of this call
    [2 + 3 i] ...    address, rows, columns of argument i

so a compiled loop can call any kernel by walking a table of records (`engine/plan.py`), and a kernel
names only the arguments it uses. The kind of each argument follows from its name (`KINDS`).

Numba does the compiling; what it makes is kept as plain object code in a cache of our own and loaded
with llvmlite. A process whose cache is warm never imports Numba (docs/decisions/0001). What compiled
code may call: functions marked `@helper`, and the stubs that `intrinsics.py` gives a compiled meaning.
"""

from __future__ import annotations

import ctypes
import inspect
import os
import threading
from collections.abc import Callable
from operator import attrgetter
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from backpass.engine.kernels.blas import blas_symbols
from backpass.engine.kernels.cache import BOUNDSCHECK, cache_file, in_turn, read_entry, say_once, write_entry

# Full fastmath would let the compiler assume that NaN never happens; isnan then finds none.
FLAGS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
    "_nrt": False,  # no allocation: a kernel that would allocate does not compile
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "boundscheck": BOUNDSCHECK,
}
# Always inlined: LLVM finds a long polynomial too costly, and a loop with a call in it is not vectorised (erf: 20 ns).
EXACT_FLAGS = {**FLAGS, "fastmath": {"contract"}, "forceinline": True}

F = TypeVar("F", bound=Callable[..., Any])
FIRST_ARGUMENT, WORDS_PER_ARGUMENT, MOST_ARGUMENTS = 2, 3, 16


HELPERS: list[tuple[FunctionType, dict[str, Any]]] = []  # functions that kernels may call, and their fastmath flags


ALL: list[Kernel] = []  # every kernel on arrays, for `backpass warm-up`
RAW: list[Kernel] = []  # and every other


class Vector:
    """Annotation of a kernel argument that is one-dimensional, in the kernel's dtype."""


FLOWING = ("inputs", "output", "saved", "dvalues", "dinputs", "y_pred", "y_true", "labels", "sample_losses", "scales")
# name: (dimensions, dtype or None for the kernel's own, has N rows). Any other name is a matrix of the kernel's dtype.
KINDS: dict[str, tuple[int, str | None, bool]] = {
    # float32 products that are summed in float64 (backpass.nnfs)
    **dict.fromkeys(("wide_inputs", "wide_weights", "wide_few", "wide_output"), (2, "float64", False)),
    **dict.fromkeys(("inputs", "output", "saved", "dvalues", "dinputs", "y_pred", "y_true"), (2, None, True)),
    "labels": (1, "int64", True),
    "sample_losses": (1, "float64", True),
    "scales": (1, "float64", True),
    "parameters": (1, None, False),
    "gradients": (1, None, False),
    "settings": (1, "float64", False),
    "counters": (1, "int64", False),
}
VECTOR = (1, None, False)  # all parameters, or as many numbers of another kind
# What stands in `counters`: the step (from 1), 1 while training, the first row of the block within its batch, and
# whether running statistics are to learn from this batch.
COUNT_STEP, COUNT_TRAINING, COUNT_ROW, COUNT_LEARNING = range(4)
COUNTER_WORDS = 4


def kind_of(parameter: inspect.Parameter) -> tuple[int, str | None, bool]:
    if parameter.annotation in (Vector, "Vector"):
        return VECTOR
    return KINDS.get(parameter.name, (2, None, False))


class Kernel:
    """A compiled function on arrays; made by `@kernel`.

    Call it with NumPy arrays in the order of its arguments (each C-contiguous and of the right dtype: nothing is
    checked here), or take its `address(dtype)` and put it into a record. `function` is the Python it was made from.
    """

    def __init__(self, function: FunctionType, raw: bool = False):
        self.function = function
        self.elementwise = False
        self.factors: tuple[str, ...] | None = None  # see `apart`
        self.raw = raw  # takes two int64 (addresses, mostly) instead of a record of arrays
        self.name = f"{function.__module__}.{function.__qualname__}"
        parameters = inspect.signature(function).parameters
        if len(parameters) > MOST_ARGUMENTS:
            raise TypeError(
                f"kernel {self.name} has {len(parameters)} arguments; a record has room for {MOST_ARGUMENTS}"
            )
        self.arguments = tuple(parameters)
        self.kinds = tuple(kind_of(parameter) for parameter in parameters.values())
        self.of = attrgetter(*self.arguments)  # the arguments, found by name on an object
        self.vectors = [name for name, kind in zip(self.arguments, self.kinds, strict=True) if kind == VECTOR]
        self.own = [name for name in self.arguments if name not in FLOWING]  # those that a part brings along
        self.addresses: dict[str, int] = {}  # of the machine code in this process, by dtype

    def own_argument(self, owner: Any, name: str, real: np.dtype[Any]) -> np.ndarray:
        """An argument that a part brings along as an attribute, checked: compiled code believes its kind."""
        ndim, fixed, _ = self.kinds[self.arguments.index(name)]
        dtype = np.dtype(fixed or real)
        array: Any = getattr(owner, name, None)
        fits = isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.aligned and array.ndim == ndim
        if not fits or array.dtype != dtype:
            wanted = f"a C-contiguous array of {dtype} with {ndim} dimensions"
            raise TypeError(f"{owner!r}.{name}, which {self.name} asks for, has to be {wanted}")
        return array

    def address(self, dtype: Any = np.float64) -> int:
        """Address of the machine code for float32 or float64, compiled or loaded when first asked for."""
        dtype = np.dtype(dtype)
        if dtype.char not in "fd":
            raise TypeError(f"{self.name} is for float32 and float64, not for {dtype}")
        return self.addresses.get(dtype.char) or machine_code(self, dtype)

    def __call__(self, *arrays: np.ndarray) -> None:
        self.call(arrays)

    def call(self, arrays: tuple[np.ndarray, ...]) -> None:
        """The same for a tuple: what is called in every small step saves 0.1 us of 0.5."""
        try:
            failed = call_native(self.addresses[arrays[0].dtype.char], id(arrays))
        except KeyError:  # the first call in this process, or for this dtype
            prepare_calls()
            failed = call_native(self.address(arrays[0].dtype), id(arrays))
        if failed:
            if not all(array.flags.c_contiguous and array.flags.aligned for array in arrays):
                raise ValueError(f"{self.name} takes arrays that are C-contiguous and aligned")
            raise IndexError(f"{self.name} read outside one of its arrays")

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(self.arguments)})>"


def kernel(function: Callable[..., None]) -> Kernel:
    """Make a kernel of a function that fills arrays which its caller owns (see the module's text)."""
    ALL.append(Kernel(function))  # type: ignore[arg-type]
    return ALL[-1]


def elementwise(made: Kernel) -> Kernel:
    """Decorator of a kernel on (P,) arrays that treats every place by itself: any part of them may be done apart."""
    made.elementwise = True
    return made


def apart(*factors: str) -> Callable[[Kernel], Kernel]:
    """Decorator of a layer's kernels whose products with `weights` the engine may make itself, apart from the rest.

    A forward kernel then finds weights without rows, and inputs @ weights in `output`. A backward kernel finds dweights
    without rows and dinputs without columns; `factors` name its arguments that hold the inputs and, when it is through,
    dL/d (inputs @ weights). Products of matrices without rows or columns do nothing.
    """

    def mark(made: Kernel) -> Kernel:
        made.factors = factors
        return made

    return mark


def raw_kernel(function: Callable[[int, int], None]) -> Kernel:
    """Make a kernel that takes two int64: the engine's own loops."""
    RAW.append(Kernel(function, raw=True))  # type: ignore[arg-type]
    return RAW[-1]


def helper(function: F) -> F:
    """Let kernels call this function. It stays what it is for Python."""
    HELPERS.append((function, FLAGS))  # type: ignore[arg-type]
    return function


def exact_helper(function: F) -> F:
    """A helper whose sums the compiler must not reorder: the tricks of `arithmetic.py` depend on their order."""
    HELPERS.append((function, EXACT_FLAGS))  # type: ignore[arg-type]
    return function


# ---------------------------------------------------------------------------------------------------------------
# Calling a kernel from Python. Handing over seven arrays through ctypes one by one costs 1.1 us for each `.ctypes`;
# a compiled function that reads the addresses out of the tuple of arrays costs 0.5 us for all of them.

NATIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def not_prepared(address: int, arrays: int) -> int:
    raise KeyError("prepare_calls was not called")


call_native: Callable[[int, int], int] = not_prepared


def prepare_calls() -> None:
    """Make `call_native(address of a kernel, id of a tuple of arrays)`; done before the first kernel is called."""
    global call_native
    if "calls" not in _process:
        from backpass.engine.kernels.calls import call_with_arrays, check_layout

        check_layout()
        call_native = NATIVE(machine_code(call_with_arrays, np.dtype(np.float64)))
        _process["calls"] = True


# ---------------------------------------------------------------------------------------------------------------
# Object code: compiled, or taken from the cache, and loaded.

_lock = threading.RLock()
_process: dict[str, Any] = {}  # the JIT engine of this process


def open_lock() -> None:
    """In a forked child, where the thread that held the lock does not exist."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_lock)


def machine_code(made: Kernel, dtype: np.dtype[Any]) -> int:
    with _lock:
        if dtype.char in made.addresses:  # by another thread, while this one waited
            return made.addresses[dtype.char]
        file = cache_file(made.function, made.name, dtype)
        entry = read_entry(file) if file else None
        if file and entry is None:
            with in_turn(file):
                entry = read_entry(file)  # by another process, while this one waited
                if entry is None:
                    entry = compile_entry(made, dtype)
                    write_entry(file, *entry)
        address = made.addresses[dtype.char] = load_entry(*(entry or compile_entry(made, dtype)))
        return address


def load_entry(symbol: str, code: bytes) -> int:
    import llvmlite.binding as llvm

    engine = jit_engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(symbol)


def jit_engine() -> Any:
    if "engine" not in _process:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.initialize_native_asmparser()
        for name, address in blas_symbols().items():
            llvm.add_symbol(name, address)
        _process["engine"] = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    return _process["engine"]


def target_machine() -> Any:
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


# Numba's own convention has two more pointers in front, for a return value and an exception; nobody reads them.
C_ENTRY = """
define i32 @"{symbol}"(i64 %first, i64 %second) {{
  %unread = alloca [2 x i64]
  %status = call i32 @"{compiled}"(ptr %unread, ptr %unread, i64 %first, i64 %second)
  ret i32 %status
}}
"""


def compile_entry(made: Kernel, dtype: np.dtype[Any]) -> tuple[str, bytes]:
    say_once("backpass: compiling for this machine (once; some seconds, then every start is instant)")
    jit_engine()  # registers the BLAS symbols, which Numba's own linker asks for too
    import llvmlite.binding as llvm
    import numba

    from backpass.engine.kernels.intrinsics import entry_function

    settings: Any = numba.config
    disabled, settings.DISABLE_JIT = settings.DISABLE_JIT, False  # somebody's debugging
    try:
        function, signature = entry_function(made, dtype)
        dispatcher = numba.njit(signature, **FLAGS)(function)
    except numba.core.errors.NumbaError as error:
        raise TypeError(f"kernel {made.name} does not compile: {reason(error)}") from error
    finally:
        settings.DISABLE_JIT = disabled
    overload = dispatcher.signatures[0]
    compiled = dispatcher.overloads[overload].fndesc.llvm_func_name
    symbol = f"backpass_{os.urandom(12).hex()}"  # no two objects in one process may have the same
    text = dispatcher.inspect_llvm(overload) + C_ENTRY.format(symbol=symbol, compiled=compiled)
    module = llvm.parse_assembly(text)
    for inside in (*module.functions, *module.global_variables):
        if not inside.is_declaration and inside.name != symbol:
            inside.linkage = "internal"  # Numba's names repeat from process to process
    for outside in module.functions:
        if outside.is_declaration and not outside.name.startswith("llvm.") and not llvm.address_of_symbol(outside.name):
            raise TypeError(f"kernel {made.name} calls {outside.name}, which compiled code cannot reach here")
    return symbol, target_machine().emit_object(module)


def reason(error: Exception) -> str:
    """The line of Numba's many that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("Only accept returning of array" in line or "NRT required" in line for line in lines):
        return "it makes an array; a kernel fills arrays that its caller owns"
    return next((line for line in lines if not line.startswith("Failed in")), lines[0])
