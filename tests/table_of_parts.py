"""Prints the table of parts: `python -m tests.table_of_parts`.

gradient  largest relative error of the formula's backward against the complex step (h = 1e-30), float64
kernel    largest relative error of the kernel against the formula, float64; both relative to max(|entry|, 1e-3 largest)
PyTorch   of output and gradients against the stored figures of PyTorch, where it has the part
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import backpass
from backpass.fusions.fusion import FUSIONS, LAYER_FUSIONS
from backpass.layers.layer import LAYERS
from backpass.losses.loss import LOSSES
from tests.gradients import complex_step, scale_of
from tests.parts import (
    ALL_FUSIONS,
    ALL_LAYERS,
    ALL_LOSSES,
    SPECIAL,
    kinds_of_targets,
    loss_formula,
    made,
    made_loss,
    predictions,
    randomise,
    rows_for,
    run_formula,
)

N, D, M = 3, 7, 4
FUSED = {step.__name__ for step in ALL_FUSIONS}
RULES = {**{pair: step.__name__ for pair, step in FUSIONS.items()}, **{p: s.__name__ for p, s in LAYER_FUSIONS.items()}}


def error(actual: Any, expected: Any) -> float:
    return float(np.max(np.abs(np.asarray(actual) - expected) / scale_of(np.asarray(expected))))


def special(name: str, inputs: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """One of the layers that tests.parts leaves out, and what its formula takes beside the usual."""
    if name == "Embedding":
        layer = backpass.Embedding(D, {1: 4, 3: 3}, 2, random_state=0, dtype=np.float64)
        inputs[:, [1, 3]] = [[3, 0], [0, 2], [3, 2]]
        return layer, {"places": layer.places}
    if name == "Dropout":
        layer = backpass.Dropout(0.4, random_state=0)
        layer.forward(inputs, step=1)
        return layer, {"saved": layer.saved}
    return LAYERS[name](D, dtype=np.float64), {}  # type: ignore[call-arg]


def layer_errors(part: Any) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(N, D))
    if part.__name__ in SPECIAL:
        layer, given = special(part.__name__, inputs)
    else:
        layer, given = made(part, D, M, np.float64), {}
    values = {"inputs": inputs, **randomise(layer, rng), **given}
    values["output"] = run_formula(layer, "forward", values)["output"]
    values["dvalues"] = rng.normal(size=values["output"].shape)
    claimed = run_formula(layer, "backward", values)

    def numeric(name: str) -> np.ndarray:
        return complex_step(
            lambda at: np.sum(values["dvalues"] * run_formula(layer, "forward", values | {name: at})["output"]),
            values[name],
        )

    of_kernel = [error(layer.forward(values["inputs"], step=1), values["output"])]
    layer.backward(values["dvalues"])
    of_kernel += [error(getattr(layer, name), value) for name, value in claimed.items()]
    if part.__name__ == "Embedding":
        claimed["dinputs"][:, list(layer.places)] = 0  # a category has no neighbours to step to; the formula says 0
    return max(error(value, numeric(name[1:])) for name, value in claimed.items()), max(of_kernel)


def loss_errors(part: Any) -> tuple[float, float]:
    rng, C = np.random.default_rng(0), 5
    loss = made_loss(part, rng, C)
    inputs = predictions(part, rng, N, C)
    _, y_true = next(iter(kinds_of_targets(loss, rng, N, C)))
    rows = rows_for(loss, y_true, C)
    fused = part in ALL_FUSIONS

    def losses(at: np.ndarray) -> Any:
        result = loss_formula(loss, "forward", at, rows)
        return result[0] if fused else result

    given = loss_formula(loss, "forward", inputs, rows)[1] if fused else inputs
    claimed = loss_formula(loss, "backward", given, rows)
    found = loss.sample_losses(inputs, y_true) if fused else loss.forward(inputs, y_true)
    of_kernel = max(error(found, losses(inputs)), error(loss.backward(given, y_true), claimed))
    return error(claimed, complex_step(lambda at: np.mean(losses(at)), inputs)), of_kernel


def torch_errors() -> dict[str, float]:
    stored = json.loads((Path(__file__).parent / "layers" / "torch_layers.json").read_text())["cases"]
    worst: dict[str, float] = {}
    for case in stored.values():
        options = case["options"] | ({"dtype": np.float64} if case["parameters"] else {})
        layer = LAYERS[case["layer"]](**options)
        for name, values in {**case["parameters"], **case["state_before"]}.items():
            setattr(layer, name, values)
        pairs = [(layer.forward(np.array(case["inputs"]), case["training"]), case["output"])]
        pairs.append((layer.backward(np.array(case["dvalues"])), case["dinputs"]))
        pairs += [(getattr(layer, name), values) for name, values in case["gradients"].items()]
        found = max(error(actual, np.array(values).reshape(actual.shape)) for actual, values in pairs)
        worst[case["layer"]] = max(found, worst.get(case["layer"], 0.0))
    for case in json.loads((Path(__file__).parent / "losses" / "torch_losses.json").read_text()):
        loss = LOSSES[case["loss"]](**case["arguments"])
        y_pred, y_true = np.array(case["y_pred"]), np.array(case["y_true"])
        mean = loss.calculate(y_pred, y_true)
        dinputs = loss.backward(loss.output if case["loss"] in FUSED else y_pred, y_true)
        found = max(error(mean, case["mean"]), error(dinputs, np.array(case["dinputs"])))
        worst[case["loss"]] = max(found, worst.get(case["loss"], 0.0))
    return worst


def main() -> None:
    torch = torch_errors()
    print("| part | gradient | kernel | PyTorch | fused with |\n| --- | --- | --- | --- | --- |")
    layers = [*ALL_LAYERS, *(LAYERS[name] for name in SPECIAL)]
    for part in (*layers, *ALL_LOSSES, *ALL_FUSIONS):
        gradient, kernel = (layer_errors if part in layers else loss_errors)(part)
        partners = [f"{b.__name__} -> {step}" for (a, b), step in RULES.items() if a is part]
        partners += [f"{a.__name__} -> {step}" for (a, b), step in RULES.items() if b is part]
        shown = f"{torch[part.__name__]:.0e}" if part.__name__ in torch else "-"
        print(f"| {part.__name__} | {gradient:.0e} | {kernel:.0e} | {shown} | {', '.join(partners) or '-'} |")


if __name__ == "__main__":
    main()
