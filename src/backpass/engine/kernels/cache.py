"""The cache of compiled kernels: object code with a checksum, one file for each kernel and dtype.

A file's name says what its code was made from; what does not agree with its checksum is as good as absent.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import sys
import threading
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")


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


@cache
def stamp() -> bytes:
    """Hash of all that compiled code depends on: our sources, the compilers, the processor."""
    import llvmlite.binding as llvm

    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder in ("engine", "layers", "losses", "fusions", "optimizers"):
        for source in sorted((package / folder).rglob("*.py")):
            digest.update(source.read_bytes())
    facts = (platform.python_version(), np.__version__, version("numba"), version("llvmlite"), platform.machine())
    features = llvm.get_host_cpu_features().flatten()
    digest.update(repr((facts, llvm.get_host_cpu_name(), features, BOUNDSCHECK)).encode())
    return digest.digest()


def cache_file(function: FunctionType, name: str, dtype: np.dtype[Any]) -> Path | None:
    """Where this kernel's object code belongs; None for one whose sources cannot be told (a REPL): it is not kept."""
    digest = hashlib.sha256(stamp() + f"{name} {dtype}".encode())
    if not name.startswith("backpass."):
        try:
            for source in sources_of(function):
                digest.update(source)
        except (OSError, TypeError):
            return None
    return cache_folder() / f"{name.rpartition('.backpass.')[2]}-{dtype}-{digest.hexdigest()[:20]}.o"


def sources_of(function: FunctionType) -> Iterator[bytes]:
    """All that a user's kernel is made from: its file, those of the functions it calls, the numbers that it sees."""
    yield Path(function.__code__.co_filename).read_bytes()
    seen = [function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__]
    seen += [cell.cell_contents for cell in function.__closure__ or ()]
    for value in seen:
        if isinstance(value, int | float | np.generic | tuple):
            yield repr(value).encode()
        elif isinstance(value, FunctionType) and not value.__module__.startswith("backpass."):
            yield Path(inspect.getfile(value)).read_bytes()


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
        say_once(f"backpass: {file.parent} cannot be written ({error.strerror}); every process will compile anew")


_said: set[str] = set()


def say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr, flush=True)
