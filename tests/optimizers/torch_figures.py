"""Writes torch_figures.json: what PyTorch's optimizers and schedulers do. Needs torch; the tests read the file only.

python -m tests.optimizers.torch_figures
"""

from __future__ import annotations

import json
from pathlib import Path

STEPS = 10
MATRIX = [[3.0, 1.0, 0.0, 0.5], [1.0, 2.0, -1.0, 0.0], [0.0, -1.0, 5.0, 0.0], [0.5, 0.0, 0.0, 1000.0]]
GOAL = [1.0, -2.0, 0.0, 3.0]
START = [0.0, 5.0, 0.0, -1000.0]  # the third begins with a gradient of 0 - but for its neighbours
NAMES = {"learning_rate": "lr", "epsilon": "eps", "rho": "alpha"}  # where PyTorch's differ
ADAMS = [{}, {"learning_rate": 0.3, "beta_1": 0.6, "beta_2": 0.7, "epsilon": 1e-3}, {"beta_1": 0.0}]
OPTIMIZERS = {
    "SGD": [
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-4, "momentum": 0.9},
        {"learning_rate": 1e-4, "momentum": 0.8, "nesterov": True},
    ],
    "Adagrad": [{}, {"learning_rate": 0.5, "epsilon": 1e-3}],
    "RMSprop": [{}, {"learning_rate": 0.1, "rho": 0.5, "epsilon": 1e-3}],
    "Adam": ADAMS,
    "AdamW": [*ADAMS, {"learning_rate": 0.1, "weight_decay": 0.3}, {"weight_decay": 0.0}],
    "NAdam": [*ADAMS, {"learning_rate": 0.1, "momentum_decay": 0.5}],
    "RAdam": [*ADAMS, {"learning_rate": 0.1, "beta_2": 0.9}],
}
SCHEDULES = {  # name: the class here and its arguments
    "inverse": ("InverseDecay", {"start": 0.5, "decay": 0.1}),
    "step": ("StepDecay", {"start": 0.5, "factor": 0.3, "every": 4}),
    "exponential": ("ExponentialDecay", {"start": 0.5, "factor": 0.9}),
    "cosine": ("Cosine", {"start": 0.5, "end": 0.01, "steps": 20}),
    "one cycle": ("OneCycle", {"highest": 0.5, "steps": 20}),
    "one cycle, three steps": ("OneCycle", {"highest": 0.5, "steps": 3, "rise": 0.5, "first": 0.1, "last": 0.05}),
    "one cycle, half": ("OneCycle", {"highest": 1.0, "steps": 17, "rise": 0.55, "first": 0.25, "last": 0.125}),
    "warm-up": ("Warmup", {"then": 0.5, "steps": 5, "start": 0.1}),
}
PLATEAU = [3.0, 2.0, 2.0, 1.99999, 2.5, 1.0, 1.1, 1.2, 0.9999, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
PLATEAUS = [
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "factor": 0.1, "lowest": 1e-3},
    {"patience": 1, "threshold": 0.3},
]


def main() -> None:
    import torch
    from torch.optim import lr_scheduler

    torch.set_default_dtype(torch.float64)

    def trajectory(name: str, settings: dict[str, object], defaults: dict[str, object]) -> list[list[float]]:
        settings = {**defaults, **settings}
        betas = {"betas": (settings.pop("beta_1"), settings.pop("beta_2"))} if "beta_1" in settings else {}
        parameters = torch.tensor(START, requires_grad=True)
        renamed = {NAMES.get(key, key): value for key, value in settings.items()}
        optimizer = getattr(torch.optim, name)([parameters], **renamed, **betas)
        path = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            parameters.grad = torch.tensor(MATRIX) @ (parameters.detach() - torch.tensor(GOAL))
            optimizer.step()
            path.append(parameters.detach().tolist())
        return path

    import backpass

    optimizers = [
        {
            "optimizer": name,
            "settings": settings,
            "path": trajectory(name, settings, getattr(backpass, name)().config()),
        }
        for name, cases in OPTIMIZERS.items()
        for settings in cases
    ]

    def rates(start: float, make: object, steps: int) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=start)
        scheduler, found = make(optimizer), []  # type: ignore[operator]
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    def one_cycle(highest: float, steps: int, rise: float = 0.3, first: float | None = None, last: float | None = None):
        first, last = first or highest / 25, last or highest / 1e4
        factors = {"div_factor": highest / first, "final_div_factor": first / last}
        return rates(first, lambda o: lr_scheduler.OneCycleLR(o, highest, steps, pct_start=rise, **factors), steps)

    schedules = {
        "inverse": rates(0.5, lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + 0.1 * step)), 20),
        "step": rates(0.5, lambda o: lr_scheduler.StepLR(o, 4, 0.3), 20),
        "exponential": rates(0.5, lambda o: lr_scheduler.ExponentialLR(o, 0.9), 20),
        "cosine": rates(0.5, lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.01), 21),
        "warm-up": rates(0.5, lambda o: lr_scheduler.LinearLR(o, 0.2, 1.0, 5), 12),
    }
    schedules |= {name: one_cycle(**given) for name, (kind, given) in SCHEDULES.items() if kind == "OneCycle"}

    def after_warm_up(o):  # type: ignore[no-untyped-def]
        parts = [lr_scheduler.LinearLR(o, 0.2, 1.0, 5), lr_scheduler.CosineAnnealingLR(o, 10)]
        return lr_scheduler.SequentialLR(o, parts, milestones=[5])

    schedules["warm-up, then cosine"] = rates(0.5, after_warm_up, 16)

    plateaus = []
    for given in PLATEAUS:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        names = {"lowest": "min_lr"}
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **{names.get(key, key): v for key, v in given.items()})
        found = []
        for loss in PLATEAU:
            scheduler.step(loss)
            found.append(optimizer.param_groups[0]["lr"])
        plateaus.append(found)

    figures = {"optimizers": optimizers, "schedules": schedules, "plateaus": plateaus}
    Path(__file__).with_suffix(".json").write_text(json.dumps(figures, indent=None).replace('{"opt', '\n{"opt') + "\n")


if __name__ == "__main__":
    main()
