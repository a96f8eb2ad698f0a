"""A new part is one new file: the folders of parts look themselves up."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable


def parts_in(package: str, path: Iterable[str]) -> dict[str, type]:
    """The classes that the modules of a package define, by name."""
    found = {}
    for module_info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{module_info.name}")
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__:
                found[name] = value
    return found


def register(table: dict[str, type], name: str, part: type) -> None:
    """Enter a part by its name, by which model files know it. TypeError if another part has that name."""
    there = table.get(name)
    if there is not None and (there.__module__, there.__qualname__) != (part.__module__, part.__qualname__):
        raise TypeError(f"{part.__name__} is a name that {there.__module__} has taken; choose another")
    table[name] = part
