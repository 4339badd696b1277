"""What an entry of `metrics` says, and whether it makes sense."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from common.yaml_files import ConfigError, Duration, Strict, decode
from exporter.absence import Absence, Section

PREFIX = "ticketing_own_"
"""Of the names of all own metrics; the product has none that begin so."""
COLLECTOR_PREFIX = "own_"
OTHER = "other"
"""Label of all that have no name of their own."""
UNKNOWN = "unknown"
"""Label of rows whose column is NULL or empty, where no words are listed."""

MOST_ENTRIES = 16
"""Each has a connection, and the role monitoring_reader has 60 for two exporters and Grafana."""
MOST_CELLS = 1_000
"""What one time bucket may hold: names of all keys × cells of the histogram. A day has 17,280 buckets."""
MOST_NAMES = 100
LONGEST_NAME = 60
LONGEST_WINDOW = 31 * 86400
FINE_WINDOW = 86400
"""Up to here buckets are narrow."""
NARROW, WIDE = 5, 60
"""Seconds of a bucket."""

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}")
_SUFFIX = re.compile(r".*_(total|bucket|sum|count|quantile|created|info)")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,59}")
_TAKEN_LABELS = ("window", "le", "quantile", "platform", "job", "instance")
_LONGEST_IDENTIFIER = 63

Help = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Key(Strict, frozen=True, kw_only=True):
    """A label of the metrics of this entry.

    Attributes:
        column: column with the label's values, of any type that converts to text.
        words: values that have a series each, with 0 when there is no row.
        most: without `words`, how many values get a series each, in order of appearance. All others are summed as
            `other`.
    """

    column: str
    words: tuple[str, ...] = ()
    most: Annotated[int, msgspec.Meta(ge=1, le=MOST_NAMES)] = 20

    @property
    def names(self) -> int:
        """How many values the label can have, `OTHER` included."""
        return (len(self.words) or self.most) + 1


class Count(Strict, frozen=True, kw_only=True, tag_field="kind", tag="count"):
    """The number of rows, and a counter `…_total` of rows seen since the start.

    Attributes:
        help: meaning, one line.
        by: keys that become labels; all keys of the entry by default.
    """

    help: Help
    by: tuple[str, ...] | None = None


class Sum(Strict, frozen=True, kw_only=True, tag_field="kind", tag="sum"):
    """The sum of a column, exact to nine decimals.

    Attributes:
        column: column of numbers; NULL is left out.
        factor: factor that the sum is multiplied by, for example 0.01 for cents.
        help: meaning and unit, one line.
        by: keys that become labels; all keys of the entry by default.
    """

    column: str
    factor: float = 1.0
    help: Help
    by: tuple[str, ...] | None = None


class Histogram(Strict, frozen=True, kw_only=True, tag_field="kind", tag="histogram"):
    """A histogram of a column since the start, and quantiles of each window as `…_quantile`.

    Attributes:
        column: column of numbers; NULL is left out.
        buckets: upper bounds in ascending order, without infinity.
        quantiles: quantiles of each window, interpolated linearly between the bounds.
        help: meaning and unit, one line.
        by: keys that become labels; all keys of the entry by default.
    """

    column: str
    buckets: Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=50)]
    quantiles: tuple[Annotated[float, msgspec.Meta(gt=0, lt=1)], ...] = ()
    help: Help
    by: tuple[str, ...] | None = None


Value = Count | Sum | Histogram


class FromView(Strict, frozen=True, kw_only=True, tag_field="from", tag="view"):
    """Metrics of a view's rows, read in one query.

    Attributes:
        name: name of the entry; `own_NAME` becomes the label `collector`.
        section: section with which the entry is collected and shown.
        view: view or table as `schema.name`, in the catalog's spelling.
        time: timestamptz column. Without it the view shows the current state and has no windows.
        windows: lengths of the windows; they become the label `window` as written.
        keys: keys by the name of their label.
        values: values by the name of their metric, without the prefix `ticketing_own_`.
    """

    name: str
    section: Section
    view: str
    time: str | None = None
    windows: tuple[str, ...] = ()
    keys: dict[str, Key] = msgspec.field(default_factory=dict)
    values: Annotated[dict[str, Value], msgspec.Meta(min_length=1)]

    @property
    def collector(self) -> str:
        """The label `collector` of what the exporter says of it."""
        return COLLECTOR_PREFIX + self.name

    @property
    def seconds(self) -> Mapping[str, int]:
        """The lengths of the windows, by their label, the shortest first."""
        parsed = {window: int(Duration.parse(window)) for window in self.windows}
        return dict(sorted(parsed.items(), key=lambda item: item[1]))

    @property
    def width(self) -> int:
        """Seconds of a time bucket."""
        return NARROW if max(self.seconds.values()) <= FINE_WINDOW else WIDE

    @property
    def cells(self) -> int:
        """How many combinations of names and the histogram's cells a time bucket may have."""
        of_histogram = len(self.histogram.buckets) + 2 if self.histogram else 1
        return math.prod(key.names for key in self.keys.values()) * of_histogram

    @property
    def histogram(self) -> Histogram | None:
        """Its histogram, of which there is one at most."""
        return next((value for value in self.values.values() if isinstance(value, Histogram)), None)


class Read(Strict, frozen=True, kw_only=True):
    """A number in Redis.

    Attributes:
        command: Redis command. GET and HGET read a number; without one the metric is absent. The others read a
            length, which is 0 without a key.
        key: name of the key, taken literally.
        field: field of the hash, for HGET.
        factor: factor that the number is multiplied by.
        help: meaning and unit, one line.
    """

    command: Literal["GET", "HGET", "LLEN", "SCARD", "ZCARD", "HLEN", "XLEN"]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    field: str | None = None
    factor: float = 1.0
    help: Help


class FromRedis(Strict, frozen=True, kw_only=True, tag_field="from", tag="redis"):
    """Metrics of Redis keys, read in one round trip.

    Attributes:
        name: name of the entry; `own_NAME` becomes the label `collector`.
        section: section with which the entry is collected and shown.
        values: values by the name of their metric, without the prefix `ticketing_own_`.
    """

    name: str
    section: Section
    values: Annotated[dict[str, Read], msgspec.Meta(min_length=1)]

    @property
    def collector(self) -> str:
        """See `FromView`."""
        return COLLECTOR_PREFIX + self.name


Entry = FromView | FromRedis


def decode_metrics(content: Any, place: str) -> None:
    """Whether each entry has the fields that it must have; within the whole, an error would not tell where it is.

    Raises:
        ConfigError: one has not.
    """
    if not isinstance(content, list):
        return
    for number, entry in enumerate(content):
        if not isinstance(entry, dict):
            continue
        where = f"{place}[{number}]"
        kind = FromRedis if entry.get("from") == "redis" else FromView
        for field, inner in (("keys", Key), ("values", Read if kind is FromRedis else Value)):
            if isinstance(entry.get(field), dict):
                for name, item in entry[field].items():
                    decode(item, inner, f"{where}.{field}.{name}")
        decode(entry, Entry, where)


def check_metrics(entries: Sequence[Entry], absence: Absence, settle: float, place: str) -> None:
    """Whether the entries make sense, alone, together and with what is absent.

    Raises:
        ConfigError: they do not; the message names entry and field.
    """
    if len(entries) > MOST_ENTRIES:
        raise ConfigError(f"{place}: {len(entries)} entries are more than {MOST_ENTRIES}; one may have several values")
    seen: dict[str, str] = {}
    for number, entry in enumerate(entries):
        where = f"{place}[{number}]"
        for problem in _problems(entry, absence, settle):
            raise ConfigError(f"{where}.{problem}")
        names = [("name", f"the entry {entry.name}"), *(("values", PREFIX + name) for name in entry.values)]
        for field, name in names:
            if name in seen:
                raise ConfigError(f"{where}.{field}: {name} is in {seen[name]}, too")
            seen[name] = where


def _problems(entry: Entry, absence: Absence, settle: float) -> Iterator[str]:
    if not _NAME.fullmatch(entry.name):
        yield f"name: {entry.name!r} is not a name of at most {LONGEST_NAME} lower-case letters, digits and '_'"
    if absence.section(entry.section):
        yield f"section: platform.absent declares that there is no {entry.section}; choose another one"
    for name, value in entry.values.items():
        if not _NAME.fullmatch(name):
            yield f"values: {name!r} is not a name of at most {LONGEST_NAME} lower-case letters, digits and '_'"
        if match := _SUFFIX.fullmatch(name):
            yield f"values.{name}: must not end with _{match[1]}, which is for what is made of it"
        if re.search(r'["\\\n\r]', value.help):
            yield f"values.{name}.help: must be one line without quotes and backslashes"
        factor = getattr(value, "factor", 1.0)
        if not math.isfinite(factor) or factor == 0:
            yield f"values.{name}.factor: {factor} is not a finite number other than 0"
    yield from _view_problems(entry, settle) if isinstance(entry, FromView) else _redis_problems(entry)


def _redis_problems(entry: FromRedis) -> Iterator[str]:
    for name, read in entry.values.items():
        if (read.command == "HGET") != (read.field is not None):
            yield f"values.{name}.field: HGET needs it, and no other command has it"


def _view_problems(entry: FromView, settle: float) -> Iterator[str]:
    schema, _, view = entry.view.partition(".")
    if not (schema and view) or "." in view:
        yield f"view: {entry.view!r} is not schema.view"
    columns = {"time": entry.time} if entry.time is not None else {}
    columns |= {f"keys.{label}.column": key.column for label, key in entry.keys.items()}
    columns |= {
        f"values.{name}.column": value.column for name, value in entry.values.items() if hasattr(value, "column")
    }
    for field, name in {"view": schema, "view ": view, **columns}.items():
        if not 0 < len(name.encode()) <= _LONGEST_IDENTIFIER or "\0" in name:
            yield f"{field.strip()}: {name[:80]!r} is not a name that PostgreSQL could have"
    yield from _key_problems(entry)
    yield from _value_problems(entry)
    if entry.time is None:
        if entry.windows:
            yield "time: windows need the column of the rows' time"
        return
    if not entry.windows:
        yield "windows: is missing; without time and windows the view is read as the state of now"
    for window in entry.windows:
        try:
            seconds = Duration.parse(window)
        except ValueError as error:
            yield f"windows: {error}"
            return
        if not seconds.is_integer() or seconds > LONGEST_WINDOW:
            yield f"windows: {window} is not whole seconds up to {LONGEST_WINDOW // 86400}d"
    if len(set(entry.seconds.values())) < len(entry.windows):
        yield "windows: contains a duplicate"
    if entry.windows and min(entry.seconds.values()) < settle + 2 * entry.width:
        least = math.ceil(settle) + 2 * entry.width
        yield f"windows: with settle {settle:g} s, and the longest window, none may be shorter than {least}s"


def _key_problems(entry: FromView) -> Iterator[str]:
    for label, key in entry.keys.items():
        if not _LABEL.fullmatch(label) or label in _TAKEN_LABELS:
            yield f"keys: {label!r} is not the name of a label, or one of {', '.join(_TAKEN_LABELS)}"
        if len(set(key.words)) < len(key.words) or len(key.words) > MOST_NAMES:
            yield f"keys.{label}.words: contains a duplicate, or more than {MOST_NAMES}"
        if OTHER in key.words or any("\0" in word or not 0 < len(word) < 200 for word in key.words):
            yield f"keys.{label}.words: none may be {OTHER!r}, empty or longer than 199 characters"
    if entry.cells > MOST_CELLS:
        combinations = f"{entry.cells} combinations (names × buckets) are more than {MOST_CELLS}"
        yield f"keys: {combinations}; lower most, or split the entry"


def _value_problems(entry: FromView) -> Iterator[str]:
    histograms = [name for name, value in entry.values.items() if isinstance(value, Histogram)]
    if len(histograms) > 1:
        yield f"values.{histograms[1]}: a second histogram needs an entry of its own"
    for name, value in entry.values.items():
        for label in value.by or ():
            if label not in entry.keys:
                yield f"values.{name}.by: {label!r} is none of the keys"
        if value.by is not None and len(set(value.by)) < len(value.by):
            yield f"values.{name}.by: contains a duplicate"
        if isinstance(value, Histogram):
            if entry.time is None:
                yield f"values.{name}: a histogram needs time and windows"
            bounds = value.buckets
            if not all(map(math.isfinite, bounds)) or any(before >= after for before, after in pairwise(bounds)):
                yield f"values.{name}.buckets: must be finite and ascend"
