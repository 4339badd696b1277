"""Places on Grafana's grid: lines from top to bottom, each of columns from left to right, each of panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.dashboards.dashboard_json import COLUMNS, Panel, row
from grafana.dashboards.queries import Json


@dataclass(frozen=True)
class Column:
    """Panels one above the other.

    Attributes:
        width: of the grid's 24 columns.
        panels: from top to bottom, each with its height (38 px a unit, with the gap below it).
    """

    width: int
    panels: Sequence[tuple[int, Panel]]

    @property
    def height(self) -> int:
        """Of all of them."""
        return sum(height for height, _ in self.panels)


Line = Sequence[Column]


@dataclass(frozen=True)
class Section:
    """One of the six sections, or another part of a dashboard under a heading.

    Attributes:
        number: its heading's panel ID; those of its panels follow it.
        title: of the heading.
        lines: see `line` and `Column`.
        main: ID of the panel that an alert of the section leads to.
    """

    number: int
    title: str
    lines: Sequence[Line]
    main: int | None = None


def line(height: int, *cells: tuple[int, Panel]) -> Line:
    """Panels of one height side by side, each with its width."""
    return [Column(width, [(height, panel)]) for width, panel in cells]


def place(lines: Sequence[Line], y: int = 0) -> list[Json]:
    """The panels of these lines, from the given height of the grid on.

    Raises:
        ValueError: A line does not fill its width, or its columns differ in height.
    """
    placed = []
    for columns in lines:
        widths, heights = [column.width for column in columns], {column.height for column in columns}
        if sum(widths) != COLUMNS or len(heights) != 1:
            titles = [panel.title for column in columns for _, panel in column.panels]
            raise ValueError(f"line of {titles}: widths {widths} must sum to {COLUMNS}, heights {heights} must agree")
        x = 0
        for column in columns:
            top = y
            for height, panel in column.panels:
                placed.append(panel.json(x, top, column.width, height))
                top += height
            x += column.width
        y += heights.pop()
    return placed


def stack(head: Sequence[Line], sections: Sequence[Section]) -> list[Json]:
    """A whole dashboard: what stands above all headings, then each section under its own."""
    panels = place(head)
    for section in sections:
        bottom = max((panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels), default=0)
        panels.append(row(section.number, section.title, bottom))
        panels.extend(place(section.lines, bottom + 1))
    return panels
