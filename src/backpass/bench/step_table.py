"""What is shown of runs: a table a case while they go on, and the README's table afterwards."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cases import Case
from backpass.bench.turns import Runs


def medians(runs: Runs, key: str) -> dict[str, float]:
    return {name: median(run[key] for run in each) for name, each in runs.items() if key in each[0]}


def best_of(runs: Runs) -> dict[str, float]:
    """Median microseconds of each peer at the number of threads that suits it best."""
    found: dict[str, float] = {}
    for name, microseconds in medians(runs, "microseconds").items():
        peer = name.split(" ")[0]
        found[peer] = min(microseconds, found.get(peer, microseconds))
    return found


def core_microseconds(runs: Runs) -> str:
    """Ours times the threads that they took, for each number of threads."""
    ours = {name: time for name, time in medians(runs, "microseconds").items() if name.startswith("backpass (")}
    counts = {name: name.removeprefix("backpass (").removesuffix(")") for name in ours}
    return ", ".join(f"{time * int(counts[name]):,.0f} ({counts[name]})" for name, time in ours.items())


def print_case(console: Console, case: Case, runs: Runs, absent: list[str]) -> None:
    table = Table(box=SIMPLE, collapse_padding=True)
    for heading in ("peer", "us/step", "spread", "we are", "loss", "import", "first", "MB"):
        table.add_column(heading, justify="left" if heading == "peer" else "right", no_wrap=True)
    ours = best_of(runs)["backpass"]
    for name in [*(name for name in runs if name != "floor"), *absent, "floor"]:
        if name in absent:
            table.add_row(name, *["-"] * 7)
            continue
        each = runs[name]
        times = [run["microseconds"] for run in each]
        row = [
            f"{median(times):.{0 if median(times) >= 10_000 else 1}f}",
            f"{(max(times) - min(times)) / median(times):.0%}",
        ]
        row.append("" if name.startswith("backpass") else f"{median(times) / ours:.2f}x")
        if name != "floor":
            row.append(f"{each[0]['loss']:#.6g}")
            row += [f"{median(run[key] for run in each):.2f}" for key in ("import_seconds", "first_seconds")]
            row.append(f"{median(run['peak_mb'] for run in each):.0f}")
        table.add_row(name, *row)
    core, two = (median(run[f"gflops_of_{which}"] for run in runs["floor"]) for which in ("a_core", "two_cores"))
    caption = [
        "(1), (2): threads. floor: the step's matrix products alone, by the best way to",
        f"use two cores; a core reaches {core:.0f} GFLOPS, two reach {two:.0f}. import, first: seconds;",
        f"first is {case.checked} steps, compiling included where no cache has it. -: sits out.",
        case.note.format(core_microseconds=core_microseconds(runs)),
    ]
    console.print(f"{case.name}: {case.described},\nfloat32, median of {len(runs['floor'])}", highlight=False)
    console.print(table)
    console.print("\n".join(filter(None, caption)), highlight=False, end="\n\n")


def short(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def as_markdown(results: dict[str, Any]) -> str:
    """The README's table, of what `train.main` returned and a file has kept: a column for each peer that took part."""
    versions = results["machine"]["versions"]
    headings = {
        "torch": f"PyTorch {versions.get('torch')} eager, fused Adam",
        "torch_compiled": "torch.compile",
        "jax": f"JAX {versions.get('jax')}, jit + scan",
        "sklearn": f"scikit-learn {versions.get('scikit-learn')}",
        "numpy": "NumPy, as the notebook",
        "tinygrad": f"tinygrad {versions.get('tinygrad')}",
    }
    best = {name: best_of(case["runs"]) for name, case in results["cases"].items()}
    peers = [peer for peer in headings if any(peer in times for times in best.values())]
    rows = []
    for name, case in results["cases"].items():
        ours, times = best[name]["backpass"], best[name]
        shown = [f"{short(times[peer])} ({times[peer] / ours:.2f}x)" if peer in times else "-" for peer in peers]
        title = f"{name}: {'-'.join(map(str, case['sizes']))}, batch {case['batch']}"
        rows.append([title, short(ours), *shown, f"{ours / times['floor']:.2f}"])
    head = ["us a step", "backpass", *(headings[peer] for peer in peers), "our step / its products"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
