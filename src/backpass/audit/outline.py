"""A tree of lines, and the three ways to show it: as text, for rich, as HTML that folds."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.tree import Tree

PAGE = (
    '<div style="font: 0.85em/1.5 ui-monospace, monospace; white-space: pre; overflow-x: auto">'
    "<style>.unfolding details, .unfolding p {margin: 0 0 0 1.5em} .unfolding summary {cursor: pointer}</style>"
    '<div class="unfolding">%s</div></div>'
)


class Outline(NamedTuple):
    """A text, of several lines maybe, and what hangs below it."""

    text: str
    branches: list[Outline]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self.text.split("\n")
        for branch in self.branches:
            last = branch is self.branches[-1]
            for number, line in enumerate(branch._lines()):
                yield (("└── " if last else "├── ") if number == 0 else ("    " if last else "│   ")) + line

    def rich(self) -> Tree:
        """The same as rich shows trees."""
        from rich.text import Text
        from rich.tree import Tree

        tree = Tree(Text(self.text))
        for branch in self.branches:
            tree.children.append(branch.rich())
        return tree

    def html(self) -> str:
        """What a notebook shows; the first level is unfolded."""
        return PAGE % self._html("open")

    def _html(self, state: str = "") -> str:
        text = html.escape(self.text)
        if not self.branches:
            return f"<p>{text}</p>"
        below = "".join(branch._html() for branch in self.branches)
        return f"<details {state}><summary>{text}</summary>{below}</details>"
