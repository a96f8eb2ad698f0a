"""`backpass tour`: the notebook, stop by stop, with its numbers recomputed by backpass's own parts.

What the stops compute is in `tour_stops.py`, what they say in `tour_text.py`, how it looks in `tour_page.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backpass.cli.tour_page import Page


class Language(StrEnum):
    en = "en"
    zh = "zh"


def tour(
    lang: Annotated[Language, typer.Option(help="Language of the prose.")] = Language.en,
    pause: Annotated[bool, typer.Option("--pause", help="Wait for Enter after each stop.")] = False,
) -> None:
    """Walk through the notebook on backpropagation, with its numbers recomputed."""
    from rich.console import Console

    from backpass.cli.tour_page import Page

    walk(Page(Console(highlight=False, markup=False, emoji=False), lang, pause))


def walk(page: Page) -> None:
    from backpass.cli.tour_stops import STOPS

    page.stop("title")
    for key in ("intro", "words", "axes"):
        page.say(key)
    page.wait()
    for place, (stop, cell) in enumerate(STOPS, 1):
        page.stop(stop.__name__, f"{place}/{len(STOPS)}", cell)
        stop(page)
        page.wait()
    page.stop("end")
    differing = [name for name, agrees in page.agreements if not agrees]
    page.say("end.count", total=len(page.agreements), agreeing=len(page.agreements) - len(differing))
    if differing:
        page.say("end.except", names=page.text("comma").join(differing))
    page.say("end.next")
