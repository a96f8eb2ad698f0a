"""Where the matrix products come from: the BLAS that SciPy ships."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder
from pathlib import Path
from typing import Any


def cython_blas() -> Any:
    """SciPy's module of BLAS addresses, loaded alone: 0.04 s instead of the 0.12 s of all of scipy.linalg."""
    name = "scipy.linalg.cython_blas"
    if name in sys.modules:
        return sys.modules[name]
    try:
        if sys.platform == "win32":
            import scipy  # noqa: F401  it makes its DLLs known; elsewhere its folder is enough, and saves 8 ms

        origin = Path(importlib.util.find_spec("scipy").origin)  # type: ignore[union-attr, arg-type]
        found = PathFinder.find_spec("cython_blas", [str(origin.parent / "linalg")])
        loader = ExtensionFileLoader(name, found.origin)  # type: ignore[union-attr, arg-type]
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))  # type: ignore[arg-type]
        loader.exec_module(module)
        sys.modules[name] = module  # a later import of scipy.linalg finds this one
        return module
    except Exception:  # another layout of SciPy: the ordinary import is slower and always right
        return importlib.import_module(name)


def blas_symbols() -> dict[str, int]:
    """Names under which compiled code knows the products, and their addresses."""
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsules = cython_blas().__pyx_capi__
    return {f"backpass_{name}": pointer_of(capsules[name], name_of(capsules[name])) for name in ("sgemm", "dgemm")}
