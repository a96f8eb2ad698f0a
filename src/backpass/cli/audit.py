"""`backpass audit`: is the backward pass of a layer, a loss or a trained network right?"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from backpass.cli.tour import Language

if TYPE_CHECKING:
    from backpass.audit import Report

Samples = tuple[np.ndarray, Any]


def audit(
    what: str = typer.Argument(help="MODULE:NAME, such as layers.py:MyReLU or backpass:Dense(4, 3); or a run folder."),
    rows: int = typer.Option(7, min=1, help="Samples to audit with; they are random numbers."),
    columns: int | None = typer.Option(None, min=1, help="Their columns. What the part says it takes, or 5."),
    seed: int = typer.Option(0, min=0, max=2**32 - 1, help="Of the random numbers."),
    lang: Annotated[Language, typer.Option(help="Language of the explanations.")] = Language.en,
) -> None:
    """Hold a backward pass against its forward pass, and name what is wrong with it.

    NAME is a class, an object, or two functions "forward,backward". Exits with 1 if there is a finding, or a gradient
    that could not be checked, with 2 if there is nothing to audit.
    """
    from rich.console import Console

    with beside(what):
        report, inputs, y_true = audited(what, rows, columns, seed)
    console = Console(highlight=False)
    console.print(report.shown(lang.value))
    truth = "" if y_true is None else f", y_true {np.shape(y_true)}"
    typer.echo(f"audited with random inputs {np.shape(inputs)}{truth}, seed {seed}")
    if not report.passed:
        raise typer.Exit(1)


def audited(what: str, rows: int, columns: int | None, seed: int) -> tuple[Report, np.ndarray, Any]:
    """The report on the first kind of samples that the part takes, and these."""
    from backpass.audit import check

    rng = np.random.default_rng(seed)
    part, width = load(what)
    width = columns or width or 5
    refused = ""
    for inputs, y_true in samples(part, rng, rows, width):
        try:
            return check(part, inputs, y_true, random_state=seed), inputs, y_true
        except (ValueError, TypeError) as error:
            refused = str(error)
            if y_true is None and "pass y_true" not in refused:  # what it says of other kinds would be of no use
                break
    hint = "" if columns else f"; {width} columns were tried, --columns says how many there are"
    raise typer.BadParameter(refused + hint)


@contextmanager
def beside(what: str) -> Iterator[None]:
    """The folder of layers.py, or the one that we are in, is on the import path, as for `python layers.py`."""
    head = what.partition("(")[0].rpartition(":")[0]
    folder = str(Path(head).resolve().parent if head.endswith(".py") else Path.cwd())
    path, modules = sys.path[:], set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:  # another folder may have modules of the same names
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


def load(what: str) -> tuple[Any, int | None]:
    """The part, and the columns that it takes, if it says so."""
    if Path(what).is_dir():
        from backpass.cli.run_folder import RunFolder

        network = RunFolder.load(what).network
        return network, network.widths[0]
    head, bracket, rest = what.partition("(")
    module, _, name = head.rpartition(":")
    name += bracket + rest
    if not module:
        raise typer.BadParameter(f"{what!r} is no run folder and no MODULE:NAME; write for example layers.py:MyReLU")
    held = imported(module)
    part = (
        tuple(named(held, each) for each in name.split(",")) if "(" not in name and "," in name else named(held, name)
    )
    weights = getattr(part, "weights", None)
    likely = getattr(part, "input_width", None) or getattr(part, "n_inputs", None)
    if likely is None and isinstance(weights, np.ndarray) and weights.ndim == 2 and len(weights) > 1:
        likely = len(weights)
    return part, likely


def imported(module: str) -> Any:
    try:
        if module.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"audited_{Path(module).stem}", module)
            assert spec is not None
            assert spec.loader is not None
            held = importlib.util.module_from_spec(spec)
            sys.modules[held.__name__] = held
            spec.loader.exec_module(held)
            return held
        return importlib.import_module(module)
    except FileNotFoundError:
        raise typer.BadParameter(f"{module} does not exist") from None
    except Exception as error:
        raise typer.BadParameter(f"{module} cannot be imported: {type(error).__name__}: {error}") from None


def named(module: Any, name: str) -> Any:
    """An object of a module; a class is made an object, with the literal arguments that stand behind its name."""
    try:
        expression = ast.parse(name.strip(), mode="eval").body
        call = expression if isinstance(expression, ast.Call) else None
        found = module
        for attribute in ast.unparse(call.func if call else expression).split("."):
            found = getattr(found, attribute)
        arguments = [ast.literal_eval(each) for each in call.args] if call else []
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords} if call else {}
    except AttributeError as error:
        raise typer.BadParameter(f"{module.__name__.removeprefix('audited_')} has no {name}: {error}") from None
    except (SyntaxError, ValueError):
        raise typer.BadParameter(f"{name!r} is no name, nor one with plain arguments such as Dense(4, 3)") from None
    if not isinstance(found, type) and call is None:
        return found
    try:
        return found(*arguments, **options)
    except Exception as error:
        raise typer.BadParameter(f"{name} cannot be made: {error}; write its arguments, as in Dense(4, 3)") from None


def samples(part: Any, rng: np.random.Generator, rows: int, columns: int) -> Iterator[Samples]:
    """Random inputs, and the kinds of y_true that a loss or a network may take."""
    from backpass.network import Network

    X = rng.normal(size=(rows, columns))
    classes = part.widths[-1] if isinstance(part, Network) else columns
    labels = rng.integers(0, classes, rows)
    if not isinstance(part, Network):
        yield X, None
        probabilities = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
        for y_true in (labels, np.eye(classes)[labels]):
            yield probabilities, y_true
        yield 1 / (1 + np.exp(-X)), rng.integers(0, 2, (rows, classes)).astype(np.float64)
    for y_true in (labels, np.eye(classes)[labels], rng.normal(size=(rows, classes)), rng.normal(size=rows)):
        yield X, y_true
