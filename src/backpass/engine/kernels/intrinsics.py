"""What the stubs of this package mean in compiled code. Imported only when something has to be compiled."""

from __future__ import annotations

import platform
import sys
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, overload, register_jitable
from numba.np import arrayobj

from backpass.engine.kernels import arithmetic, atomics, calls, matrix
from backpass.engine.kernels.compiler import EXACT_FLAGS, FIRST_ARGUMENT, FLAGS, HELPERS, WORDS_PER_ARGUMENT, Kernel

INT8, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
X86 = platform.machine() in ("x86_64", "AMD64")
WORD = INT64.as_pointer()


# ---------------------------------------------------------------------------------------------------------------
# Arrays out of a record


def array_at(context: Any, builder: Any, array: types.Array, address: Any, rows: Any, columns: Any) -> Any:
    itemsize = INT64(array.dtype.bitwidth // 8)  # type: ignore[attr-defined]
    made = context.make_array(array)(context, builder)
    arrayobj.populate_array(
        made,
        data=builder.inttoptr(address, made.data.type),
        shape=[rows, columns][: array.ndim],
        strides=[builder.mul(columns, itemsize), itemsize][-array.ndim :],
        itemsize=itemsize,
        meminfo=None,
    )
    return made._getvalue()


def entry_function(made: Kernel, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The function that is compiled for a kernel, taking one record, and its signature."""
    while HELPERS:
        function, flags = HELPERS.pop()
        register_jitable(**flags)(function)
    if made.raw:
        return made.function, types.void(types.int64, types.int64)
    own = numba.from_dtype(dtype)
    arrays = [types.Array(getattr(types, name) if name else own, ndim, "C") for ndim, name, _ in made.kinds]
    together = types.Tuple(arrays)
    body = numba.njit(**FLAGS)(made.function)

    @intrinsic
    def unpack(typing_context, record):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            words = builder.inttoptr(arguments[0], WORD)

            def word(index):  # type: ignore[no-untyped-def]
                return builder.load(builder.gep(words, [INT64(index)]))

            values = []
            for index, (array, (_, _, by_sample)) in enumerate(zip(arrays, made.kinds, strict=True)):
                first = FIRST_ARGUMENT + WORDS_PER_ARGUMENT * index
                rows = word(1 if by_sample else first + 1)
                values.append(array_at(context, builder, array, word(first), rows, word(first + 2)))
            return context.make_tuple(builder, together, values)

        return together(types.int64), codegen

    def entry(record, unused):  # type: ignore[no-untyped-def]
        body(*unpack(record))

    return entry, types.void(types.int64, types.int64)


def meaning(stub: Any, *cases: Any) -> Any:
    """Decorator: this generator `(context, builder, signature, arguments)` is what the stub means in compiled code.

    cases: the signatures it has, as `result(arguments)`.
    """
    template = type(stub.__name__, (ConcreteTemplate,), {"key": stub, "cases": list(cases)})
    infer_global(stub, types.Function(template))

    def lowered(generate: Any) -> Any:
        for case in cases:
            lower_builtin(stub, *case.args)(generate)
        return generate

    return lowered


def pointer(builder: Any, address: Any, to: Any = INT64) -> Any:
    return builder.inttoptr(address, to.as_pointer())


@meaning(calls.call, types.int64(types.int64))
def call(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    prototype = ir.FunctionType(INT32, [INT64, INT64])
    kernel = pointer(builder, builder.load(pointer(builder, arguments[0])), prototype)
    return builder.sext(builder.call(kernel, [arguments[0], INT64(0)]), INT64)


@meaning(calls.integers_at, types.Array(types.int64, 1, "C")(types.int64, types.int64))
@meaning(calls.floats_at, types.Array(types.float64, 1, "C")(types.int64, types.int64))
def vector_at(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return array_at(context, builder, signature.return_type, arguments[0], arguments[1], INT64(1))


@meaning(calls.flat, *(types.Array(real, 1, "C")(types.Array(real, 2, "C")) for real in (types.float32, types.float64)))
def flat(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    data = builder.ptrtoint(array.data, INT64)
    return array_at(context, builder, signature.return_type, data, array.nitems, INT64(1))


@meaning(
    calls.scratch, *(types.Array(real, 1, "C")(types.Array(real, 2, "C")) for real in (types.float32, types.float64))
)
def scratch(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    real = context.get_value_type(signature.return_type.dtype)
    place = cgutils.alloca_once(builder, real, size=calls.SCRATCH)
    place.align = 64
    address = builder.ptrtoint(place, INT64)
    return array_at(context, builder, signature.return_type, address, INT64(calls.SCRATCH), INT64(1))


@meaning(calls.copy_bytes, types.none(types.int64, types.int64, types.int64))
def copy_bytes(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    target, source, size = arguments
    cgutils.raw_memcpy(builder, pointer(builder, target, INT8), pointer(builder, source, INT8), size, 1)
    return context.get_dummy_value()


@meaning(calls.zero_bytes, types.none(types.int64, types.int64))
def zero_bytes(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    cgutils.memset(builder, pointer(builder, arguments[0], INT8), arguments[1], 0)
    return context.get_dummy_value()


@meaning(calls.one_by_one, types.none())
def one_by_one(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
    return context.get_dummy_value()


@meaning(calls.local_record, types.int64())
def local_record(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.ptrtoint(cgutils.alloca_once(builder, INT64, size=calls.RECORD_WORDS), INT64)


# ---------------------------------------------------------------------------------------------------------------
# Between threads


@meaning(atomics.load, types.int64(types.int64))
def atomic_load(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.load_atomic(pointer(builder, arguments[0]), "seq_cst", 8)


@meaning(atomics.store, types.none(types.int64, types.int64))
def atomic_store(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    builder.store_atomic(arguments[1], pointer(builder, arguments[0]), "seq_cst", 8)
    return context.get_dummy_value()


@meaning(atomics.add, types.int64(types.int64, types.int64))
def atomic_add(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.atomic_rmw("add", pointer(builder, arguments[0]), arguments[1], "seq_cst")


@meaning(atomics.exchange_if, types.boolean(types.int64, types.int64, types.int64))
def atomic_exchange_if(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    address, expected, wanted = arguments
    result = builder.cmpxchg(pointer(builder, address), expected, wanted, "seq_cst", "seq_cst")
    return builder.zext(builder.extract_value(result, 1), context.get_value_type(types.boolean))


@meaning(atomics.pause, types.none())
def pause(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    if X86:
        builder.asm(ir.FunctionType(ir.VoidType(), []), "pause", "", [], True)
    return context.get_dummy_value()


@meaning(atomics.sleep, types.none(types.int64))
def sleep(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    if sys.platform == "win32":  # Sleep takes milliseconds
        name, duration = "Sleep", builder.udiv(arguments[0], INT64(1000))
    else:
        name, duration = "usleep", arguments[0]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(INT32, [INT32]), name)
    builder.call(function, [builder.trunc(duration, INT32)])
    return context.get_dummy_value()


@meaning(atomics.cycles, types.int64())
def cycles(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(INT64, [])), [])


def mode_register(builder: Any, name: str, place: Any) -> None:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [INT8.as_pointer()]), name)
    builder.call(function, [builder.bitcast(place, INT8.as_pointer())])


@meaning(atomics.flush_denormals, types.int64())
def flush_denormals(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    if not X86:
        return INT64(0)
    place = cgutils.alloca_once(builder, INT32)
    mode_register(builder, "llvm.x86.sse.stmxcsr", place)
    before = builder.load(place)
    builder.store(builder.or_(before, INT32(0x8040)), place)  # results, and operands
    mode_register(builder, "llvm.x86.sse.ldmxcsr", place)
    return builder.zext(before, INT64)


@meaning(atomics.restore_mode, types.none(types.int64))
def restore_mode(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    if X86:
        place = cgutils.alloca_once_value(builder, builder.trunc(arguments[0], INT32))
        mode_register(builder, "llvm.x86.sse.ldmxcsr", place)
    return context.get_dummy_value()


# ---------------------------------------------------------------------------------------------------------------
# Arithmetic


def bitcast(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))


meaning(arithmetic.bits_of, types.int32(types.float32), types.int64(types.float64))(bitcast)
meaning(arithmetic.float_of, types.float32(types.int32), types.float64(types.int64))(bitcast)


def chosen_by_dtype(single, double):  # type: ignore[no-untyped-def]
    return lambda x: single if x == types.float32 else double


for stub, versions in arithmetic.BY_DTYPE.items():
    overload(stub, jit_options=EXACT_FLAGS)(  # type: ignore[arg-type]
        chosen_by_dtype(*versions)
    )


def gemm_signature(real, dimensions):  # type: ignore[no-untyped-def]
    array, flag, count = types.Array(real, 2, "C"), types.boolean, types.int64
    left = types.Array(real, dimensions, "C")
    return types.none(flag, flag, count, count, count, left, count, array, count, flag, array, count)


@meaning(matrix.gemm, *(gemm_signature(real, ndim) for real in (types.float32, types.float64) for ndim in (1, 2)))
def gemm(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    transpose_a, transpose_b, m, n, k, _, stride_a, _, stride_b, accumulate, _, stride_c = arguments
    dtype = signature.args[5].dtype
    real = context.get_value_type(dtype)

    def stored(value):  # type: ignore[no-untyped-def]
        place = cgutils.alloca_once_value(builder, value)
        return builder.bitcast(place, WORD)

    def letter(transposed):  # type: ignore[no-untyped-def]
        return stored(builder.select(builder.trunc(transposed, ir.IntType(1)), INT8(ord("T")), INT8(ord("N"))))

    def size(value):  # type: ignore[no-untyped-def]
        return stored(builder.trunc(value, INT32))

    def data(place):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[place])(context, builder, arguments[place])
        return builder.bitcast(array.data, WORD)

    beta = builder.select(builder.trunc(accumulate, ir.IntType(1)), real(1.0), real(0.0))
    name = "backpass_sgemm" if dtype == types.float32 else "backpass_dgemm"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [WORD] * 13), name)
    first = [letter(transpose_a), letter(transpose_b), size(m), size(n), size(k), stored(real(1.0))]
    rest = [data(5), size(stride_a), data(7), size(stride_b), stored(beta), data(10), size(stride_c)]
    builder.call(function, first + rest)
    return context.get_dummy_value()
