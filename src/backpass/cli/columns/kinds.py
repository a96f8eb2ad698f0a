"""The kinds by name, and which one a column is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from backpass.cli.columns.column import Column
from backpass.cli.columns.dates import Date
from backpass.cli.columns.durations import Duration
from backpass.cli.columns.kind import Kind
from backpass.cli.columns.numbers import Boolean, Number
from backpass.cli.columns.words import Category, Text

KINDS: tuple[Any, ...] = (Number, Boolean, Date, Duration, Category, Text)  # the first that takes all values is it


def learn(column: Column, decimal: str) -> tuple[Kind, np.ndarray]:
    """A training column's kind, and its values. `decimal` is the file's mark before the decimals of a number."""
    return next(found for kind in KINDS if (found := kind.learn(column, decimal)) is not None)


def from_json(described: Any) -> Kind:
    """What `as_json` gave. TypeError, KeyError for anything else."""
    fields = dict(described)
    kind = {kind.__name__.lower(): kind for kind in KINDS}[fields.pop("kind")]
    if missing := {field.name for field in dataclasses.fields(kind)} - set(fields):
        raise KeyError(missing.pop())
    return kind(**fields)
