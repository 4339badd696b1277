"""When a row happened: the zone of times that have none, by the newest row and by hours that never were.

Local times with daylight saving skip an hour in spring. A zone in whose skipped hour there are rows is not the one, and
one whose skipped hour is the only empty hour almost certainly is.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise

from exporter.contract_draft.catalog import Column, Relation
from exporter.contract_draft.database import Database
from exporter.contract_draft.expression import Expression, expression
from exporter.contract_draft.matching import Match, epoch_divisor
from exporter.contract_draft.questions import Questions
from exporter.contract_draft.sample import WITH_ZONE, can_sort
from exporter.contract_draft.text import ago, literal

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Chicago",
    "America/Denver",
    "America/Sao_Paulo",
    "America/Halifax",
    "Europe/Athens",
    "Europe/Istanbul",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Brisbane",
    "Pacific/Auckland",
    "Pacific/Honolulu",
)
"""Those that are tried, the likelier of one offset first."""
UTC = "UTC"
LIKE_UTC = ("Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "GMT", "Etc/GMT")
FRESH_SECONDS = 120.0
"""A newest row that is so old at most tells the zone, whatever the usual pause between two."""
OLD_SECONDS = 3600.0
NEIGHBOURS = 20
"""So many rows in the hours beside one that never was make its emptiness tell."""

_NOW = "SELECT extract(epoch FROM now())::float8, current_setting('TimeZone')"
_OFFSETS = """
    SELECT zone, extract(epoch FROM (now() AT TIME ZONE zone) - (now() AT TIME ZONE 'UTC'))::float8
    FROM unnest(%s::text[]) AS zone"""
# The first half hour of this year that the zone's clocks skipped.
_SKIPPED = """
    SELECT extract(epoch FROM min(local))::float8
    FROM generate_series(date_trunc('hour', now() AT TIME ZONE %s) - interval '364 days',
                         date_trunc('hour', now() AT TIME ZONE %s), '30 min') AS local
    WHERE (local AT TIME ZONE %s) AT TIME ZONE %s <> local"""


@dataclass(frozen=True)
class Zone:
    """A zone and why it is thought to be the one.

    Attributes:
        name: as PostgreSQL knows it.
        reason: for a remark.
        sure: something in the rows says so.
    """

    name: str
    reason: str
    sure: bool


class Zones:
    """Decides for each column without a zone; those that say nothing are taken to be like the others.

    Args:
        database: whose clock and setting count.
        questions: are added to.
    """

    def __init__(self, database: Database, questions: Questions) -> None:
        self._database = database
        self._questions = questions
        ((now, setting),) = database.rows(_NOW)
        self.now: float = now
        self._setting: str = UTC if setting in LIKE_UTC else setting
        offsets = dict(database.rows(_OFFSETS, list(ZONES)))
        own = database.rows_or_none("the setting TimeZone", _OFFSETS, [self._setting])
        self._offsets: dict[str, float] = {**dict(own or ()), **offsets}
        self._skipped: dict[str, float | None] = {}
        self._decided: dict[tuple[int, str], Zone | None] = {}
        self.usual: Zone | None = None

    def expression(self, match: Match, role: str) -> Expression | None:
        """The role's time as timestamptz; None when no column plays it."""
        column = match.get(role)
        if column is None:
            return None
        if column.type == WITH_ZONE:
            return expression(column)
        divisor = epoch_divisor(column, match.sample)
        if divisor is not None and column.type == "bigint":
            return expression("to_timestamp(", column, f" / {divisor}.0)" if divisor > 1 else ")")
        zone = self.of(match, column)
        value = expression(column) if column.type != "date" else expression(column, "::timestamp")
        return expression(value, f" AT TIME ZONE {literal(zone.name)}")

    def learn(self, match: Match) -> None:
        """Find the usual zone of the database, by the time of a relation that says most about it."""
        column = match.get("timestamp")
        if column is not None and column.type.startswith("timestamp without") and self.usual is None:
            zone = self._by_rows(match, column)
            self.usual = zone if zone is not None and zone.sure else None

    def of(self, match: Match, column: Column) -> Zone:
        """The zone of a column that has none."""
        zone = self._by_rows(match, column) if column == match.get("timestamp") else None
        if zone is None and self.usual is not None:
            zone = Zone(self.usual.name, "as of the other tables", sure=True)
        elif zone is None:
            zone = Zone(UTC, "nothing tells its zone", sure=False)
        subject = f"{match.view}: {match.relation.quoted}.{column.quoted}"
        asked = "It has no time zone. Which is it in?"
        if column == match.get("timestamp") or not zone.sure:
            self._questions.ask(subject, asked, f"{zone.name}: {zone.reason}", sure=zone.sure)
        return zone

    def age(self, match: Match) -> float | None:
        """Of the newest row in seconds, by the zone decided for it; None when unknown."""
        column = match.get("timestamp")
        newest = _newest(match, column) if column is not None else None
        if column is None or newest is None:
            return None
        if column.type == WITH_ZONE:
            return self.now - newest
        divisor = epoch_divisor(column, match.sample)
        if divisor is not None and column.type == "bigint":
            return self.now - newest / divisor
        zone = self._by_rows(match, column) or self.usual
        return self.now - (newest - self._offsets.get(zone.name if zone else UTC, 0.0))

    def _by_rows(self, match: Match, column: Column) -> Zone | None:
        place = (match.relation.oid, column.name)
        if place not in self._decided:
            self._decided[place] = self._decide(match, column)
        return self._decided[place]

    def _decide(self, match: Match, column: Column) -> Zone | None:
        newest = _newest(match, column)
        if newest is None:
            return None
        ahead = newest - self.now
        pause = _pause(match.sample.numbers(column))
        tolerance = min(max(FRESH_SECONDS, 10 * pause), 3000.0)
        ages = {zone: offset - ahead for zone, offset in self._offsets.items()}
        fitting = [zone for zone, age in ages.items() if -60 <= age <= tolerance]
        if not fitting:
            return None
        least = min(abs(ages[zone]) for zone in fitting)
        fitting = [zone for zone in fitting if abs(ages[zone]) == least]
        reason = f"its newest row is {ago(max(0.0, ages[fitting[0]]))} old there"
        return self._among(match.relation, column, fitting, reason)

    def _among(self, relation: Relation, column: Column, zones: list[str], reason: str) -> Zone:
        """The likeliest of zones that have the same offset now."""
        possible = []
        for zone in zones:
            verdict = self._skipped_hour(relation, column, zone)
            if verdict is True:
                return Zone(zone, f"{reason}, and none is of the hour that its clocks skipped in spring", sure=True)
            if verdict is None:
                possible.append(zone)
        possible = possible or zones
        if self._setting in possible:
            return Zone(self._setting, f"{reason}, and it is the database's own", sure=True)
        others = f"; {', '.join(possible[1:4])} would fit as well" if possible[1:] else ""
        return Zone(possible[0], reason + others, sure=True)

    def _skipped_hour(self, relation: Relation, column: Column, zone: str) -> bool | None:
        """Whether the rows say that it is the zone; None when they say nothing."""
        if zone not in self._skipped:
            rows = self._database.rows_or_none(f"zone {zone}", _SKIPPED, zone, zone, zone, zone)
            self._skipped[zone] = rows[0][0] if rows else None
        skipped = self._skipped[zone]
        if skipped is None or not can_sort(relation, column):
            return None
        start, value = f"to_timestamp({skipped}) AT TIME ZONE 'UTC'", column.quoted
        sql = f"""
            SELECT count(*) FILTER (WHERE {value} < {start}),
                   count(*) FILTER (WHERE {value} >= {start} AND {value} < {start} + interval '1 hour'),
                   count(*) FILTER (WHERE {value} >= {start} + interval '1 hour')
            FROM (SELECT {value} FROM {relation.quoted}
                  WHERE {value} >= {start} - interval '1 hour' AND {value} < {start} + interval '2 hours'
                  ORDER BY {value} LIMIT 100000) AS sampled"""
        rows = self._database.rows_or_none(f"hours of {relation.quoted}", sql)
        return _verdict(*rows[0]) if rows else None


def _verdict(before: int, within: int, after: int) -> bool | None:
    if within > max(before, after) / 20:
        return False
    return True if not within and min(before, after) >= NEIGHBOURS else None


def _newest(match: Match, column: Column) -> float | None:
    return match.sample.largest(column)


def _pause(times: list[float]) -> float:
    """Between two rows, usually, among the newest."""
    newest = sorted(times)[-100:]
    pauses = [later - earlier for earlier, later in pairwise(newest)]
    return statistics.median(pauses) if pauses else 0.0
