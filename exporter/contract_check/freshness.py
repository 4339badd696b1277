"""The age of each view's newest row: rows from the future, a stream that has stopped, times read in a wrong zone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from statistics import median

from contract.definition import REQUESTS_VIEW
from exporter.contract_check.database import Database, newest
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns
from exporter.sources.ranges import MOST_AHEAD_SECONDS

TIMES = {
    "fraud_predictions": "timestamp",
    "fraud_labels": "labeled_at",
    "transactions": "timestamp",
    "security_events": "timestamp",
    REQUESTS_VIEW: "timestamp",
}
STEADY = ("fraud_predictions", "transactions", REQUESTS_VIEW)
"""Views whose rows come all day: a stretch without any, where other days have some, is a fault."""
QUIET_SECONDS = 900
"""A shorter stretch without rows is no fault."""
UNUSUAL = 10
"""Where there is no history of a week: so many times the longest of the last stretches without rows."""
GAP_ROWS = 200
DAYS = 7
OFFSETS = sorted({*(half * 1800 for half in range(1, 29)), 20700, 31500, 45900})
"""Differences between zones: halves of hours up to 14 h, and the three that end in 45 minutes."""

_AGES = "SELECT (extract(epoch FROM now()) - extract(epoch FROM {time}))::float8 FROM {newest} ORDER BY 1"
# The same stretch of each of the days before: was there a row in it? And do rows go back beyond them?
_OTHER_DAYS = """
    SELECT count(*) FILTER (WHERE EXISTS (
        SELECT FROM monitoring.{view}
        WHERE {time} > now() - day * interval '1 day' - interval '{age} s'
          AND {time} <= now() - day * interval '1 day')),
        EXISTS (SELECT FROM monitoring.{view} WHERE {time} <= now() - interval '{days} days')
    FROM generate_series(1, {days}) AS day"""
_DEFINITION = "SELECT pg_get_viewdef(to_regclass(%s))"
_ZONE = re.compile(r"AT TIME ZONE '([^']+)'")


def check_freshness(database: Database, usable: Columns) -> Iterator[Finding]:
    """One finding for each view with a time."""
    for view, time in TIMES.items():
        if time in usable.get(view, set()):
            yield from database.guarded(view, partial(_freshness, database, view, time))


def _freshness(database: Database, view: str, time: str) -> Iterator[Finding]:
    sql = _AGES.format(time=time, newest=newest(view, time, time, GAP_ROWS))
    ages = [age for (age,) in database.rows(sql)]
    subject = f"{view}.{time}"
    if not ages:
        yield Finding(WARNING, subject, "no rows yet", "is it the right database? Else declare the view absent")
        return
    ahead = sum(age < -MOST_AHEAD_SECONDS for age in ages)
    # How long it usually is until the next row: of a stream of which rows are missing for hours, not of those hours.
    usual = median([after - before for before, after in pairwise(ages)] or [math.inf])
    if ahead:
        how_many = f"at least {ahead} rows" if ahead == len(ages) else f"{ahead} rows"
        detail = f"{how_many} in the future, the newest by {spoken(-ages[0])}"
        offset = _offset(-ages[0], MOST_AHEAD_SECONDS, _slack(usual)) if ahead > 1 else None
        yield Finding(WRONG, subject, detail, _mend_zone(database, view, offset, "ahead"))
    elif _is_old(database, view, time, ages):
        offset = _offset(ages[0], _slack(usual), MOST_AHEAD_SECONDS)
        detail = f"newest row is {spoken(ages[0])} old, which it usually is not"
        yield Finding(WRONG, subject, detail, _mend_zone(database, view, offset, "behind"))
    else:
        yield Finding(OK, subject, f"newest row is {spoken(max(0.0, ages[0]))} old")


def _is_old(database: Database, view: str, time: str, ages: list[float]) -> bool:
    age = ages[0]
    if view not in STEADY or age < QUIET_SECONDS:
        return False
    if age > DAYS * 86400:
        return True
    sql = _OTHER_DAYS.format(view=view, time=time, age=min(age, 86400.0), days=DAYS)
    ((days, all_known),) = database.rows(sql)
    if all_known:
        # Those that lie within the stretch itself have none.
        return bool(days > (DAYS - age // 86400) / 2)
    largest = max((after - before for before, after in pairwise(ages)), default=math.inf)
    return age > UNUSUAL * largest


def _slack(usual: float) -> float:
    return min(5 * usual + MOST_AHEAD_SECONDS, QUIET_SECONDS / 2)


def _offset(seconds: float, above: float, below: float) -> int | None:
    """The difference between two zones that it fits, being at most so much above or below it."""
    return next((offset for offset in OFFSETS if offset - below <= seconds <= offset + above), None)


def _mend_zone(database: Database, view: str, offset: int | None, direction: str) -> str:
    if offset is None:
        if direction == "ahead":
            return "correct the clock that writes it, or leave rows out of the view until their time has come"
        return "see whether what writes it runs, and whether the view reads the table that it writes to"
    hours = f"{offset / 3600:g} hours" if offset != 3600 else "1 hour"
    ((definition,),) = database.rows(_DEFINITION, (f"monitoring.{view}",))
    zones = ", ".join(sorted(set(_ZONE.findall(definition or ""))))
    now = f"the view has AT TIME ZONE '{zones}'" if zones else "the view names no zone, so that of the session is taken"
    return (
        f"its times are {hours} {direction}, as if read in a wrong zone; {now}:"
        " name in AT TIME ZONE the zone that the column is written in, and make its index on the same expression"
    )


def spoken(seconds: float) -> str:
    """A time as a person would say it."""
    if not math.isfinite(seconds):
        return "an infinite time"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
