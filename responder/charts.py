"""Curves as a picture; needs the extra `report`. As a program it reads the arguments of `svg` as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

Curve = Sequence[tuple[float, float]]
"""Seconds since the epoch, and values, in order."""

_WIDTH, _HEIGHT_OF_ONE = 9.0, 1.6
_FONT = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "ticketing"}


def svg(curves: Mapping[str, Curve], marks: Mapping[str, float], step: float) -> bytes:
    """One curve below the other over the same time, as SVG.

    Args:
        curves: by name; a gap longer than the step is one in the curve, too.
        marks: instants to be marked in all of them, by what they are.
        step: seconds between two points.
    """
    with mpl.rc_context(_FONT):
        figure = Figure(figsize=(_WIDTH, _HEIGHT_OF_ONE * len(curves) + 0.6), layout="constrained")
        for axes, (name, curve) in zip(
            figure.subplots(len(curves), sharex=True, squeeze=False)[:, 0], curves.items(), strict=True
        ):
            times, values = _with_gaps(curve, step)
            axes.plot(times, values, color="#3274d9", linewidth=1)
            axes.set_title(name, loc="left")
            axes.grid(visible=True, linewidth=0.3)
            # Days besides hours, when it took so long.
            axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator(tz=UTC), tz=UTC))
            for mark in marks.values():
                axes.axvline(datetime.fromtimestamp(mark, UTC), color="#e02f44", linestyle="--", linewidth=0.8)
        top = figure.axes[0].secondary_xaxis("top")
        top.set_xticks(date2num([datetime.fromtimestamp(mark, UTC) for mark in marks.values()]), list(marks))
        picture = BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _with_gaps(curve: Curve, step: float) -> tuple[list[datetime], list[float]]:
    times: list[datetime] = []
    values: list[float] = []
    before = None
    for at, value in curve:
        if before is not None and at - before > 1.5 * step:
            times.append(datetime.fromtimestamp(before + step, UTC))
            values.append(float("nan"))
        times.append(datetime.fromtimestamp(at, UTC))
        values.append(value)
        before = at
    return times, values


if __name__ == "__main__":
    os.nice(10)
    sys.stdout.buffer.write(svg(**json.load(sys.stdin)))
