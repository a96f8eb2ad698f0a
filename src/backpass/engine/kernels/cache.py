"""The cache of compiled kernels: object code with a checksum, one file for each kernel and dtype.

A file's name says what its code was made from; what does not agree with its checksum is as good as absent.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")
PATIENCE = 60  # seconds that a process waits for what another compiles; one kernel takes about half a second


def cache_folder() -> Path:
    """Folder of compiled kernels: BACKPASS_CACHE_DIR, else NUMBA_CACHE_DIR/backpass, else the user's cache folder."""
    if folder := os.environ.get("BACKPASS_CACHE_DIR"):
        return Path(folder)
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(folder) / "backpass"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "backpass/Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/backpass"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backpass"


def release(package: str) -> str:
    """An installed package's version, taken from the folder beside it that says so: importlib.metadata costs 26 ms."""
    origin = getattr(find_spec(package), "origin", None) or ""
    for information in Path(origin).parents[1].glob(f"{package}-*.dist-info"):
        return information.name
    from importlib.metadata import version

    return version(package)


@cache
def stamp() -> bytes:
    """Hash of all that compiled code depends on: our sources, the compilers, the processor."""
    import llvmlite.binding as llvm

    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder in ("engine", "layers", "losses", "fusions", "optimizers", "nnfs"):
        for source in sorted((package / folder).rglob("*.py")):
            digest.update(source.read_bytes())
    facts = (platform.python_version(), np.__version__, release("numba"), release("llvmlite"), platform.machine())
    features = llvm.get_host_cpu_features().flatten()
    digest.update(repr((facts, llvm.get_host_cpu_name(), features, BOUNDSCHECK)).encode())
    return digest.digest()


def cache_file(function: FunctionType, name: str, dtype: np.dtype[Any]) -> Path | None:
    """Where this kernel's object code belongs; None for one that is not kept: it uses what cannot be told apart."""
    digest = hashlib.sha256(stamp() + f"{name} {dtype}".encode())
    try:
        if name.startswith(("backpass.bench.", "backpass.estimators.")):
            digest.update(Path(function.__code__.co_filename).read_bytes())
        elif not name.startswith("backpass."):
            for ingredient in ingredients(function, set()):
                digest.update(ingredient)
        return cache_folder() / f"{name.rpartition('.backpass.')[2]}-{dtype}-{digest.hexdigest()[:20]}.o"
    except LookupError:
        return None
    except RuntimeError as error:  # no home folder
        say_once(f"backpass: compiled code is not kept: {error}; set BACKPASS_CACHE_DIR")
        return None


def ingredients(value: Any, seen: set[int]) -> Iterator[bytes]:
    """All that a user's kernel is made from: code, numbers and arrays, its own and those of the functions it calls.

    LookupError for anything else, a module of constants for instance, whose changes would not be noticed.
    """
    if getattr(value, "__module__", None) and str(value.__module__).startswith("backpass."):
        yield repr(getattr(value, "__qualname__", value)).encode()  # part of the stamp
    elif isinstance(value, FunctionType):
        if id(value) in seen:  # it calls itself
            return
        seen.add(id(value))
        yield from ingredients(value.__code__, seen)
        names = [name for name in value.__code__.co_names if name in value.__globals__]
        together = [value.__globals__[name] for name in names] + list(value.__defaults__ or ())
        for part in together + [cell.cell_contents for cell in value.__closure__ or ()]:
            yield from ingredients(part, seen)
    elif isinstance(value, CodeType):
        yield repr((value.co_code, value.co_names, value.co_varnames, value.co_freevars)).encode()
        for constant in value.co_consts:
            yield from ingredients(constant, seen)
    elif isinstance(value, np.ndarray):
        yield repr((value.dtype, value.shape)).encode() + value.tobytes()
    elif isinstance(value, tuple):
        yield b"("
        for part in value:
            yield from ingredients(part, seen)
        yield b")"
    elif value is None or isinstance(value, int | float | complex | str | bytes | np.generic):
        yield repr((type(value).__name__, value)).encode()
    elif value in (math, np) or getattr(value, "__module__", "") in ("math", "numpy", "builtins"):
        yield repr(value).encode()  # their versions are part of the stamp
    else:
        raise LookupError(f"{value!r} is not told apart")


def read_entry(file: Path) -> tuple[str, bytes] | None:
    """Symbol and object code; None where there is none or where it does not agree with its checksum."""
    try:
        checksum, symbol, code = file.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(symbol + code).hexdigest().encode() != checksum:
        return None
    return symbol.decode(), code


def write_entry(file: Path, symbol: str, code: bytes) -> None:
    """Written beside and renamed, so that another process sees all of it or nothing."""
    checksum = hashlib.sha256(symbol.encode() + code).hexdigest()
    beside = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(f"{checksum}\n{symbol}\n".encode() + code)
        os.replace(beside, file)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        say_once(f"backpass: {file.parent} cannot be written ({error.strerror}); every process will compile anew")


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """One process at a time makes this entry: the next finds what the first has written (192 kernels take 105 s, which
    two test workers would both spend). Where locks do not work, or a process sleeps on one, each makes its own."""
    try:
        import fcntl

        file.parent.mkdir(parents=True, exist_ok=True)
        lock = open(file.parent / "lock", "wb")  # noqa: SIM115  one for all entries; each locks a byte of its own
    except (ImportError, OSError):
        yield
        return
    place = int.from_bytes(hashlib.sha256(file.name.encode()).digest()[:6], "big")  # it need not exist
    give_up = time.monotonic() + PATIENCE
    with lock:
        while time.monotonic() < give_up:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                break
            except (BlockingIOError, PermissionError):  # which of the two depends on the system
                time.sleep(0.02)
            except OSError:
                break
        yield


_said: set[str] = set()


def say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr, flush=True)
