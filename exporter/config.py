"""The configuration file: read strictly, with errors that name the file and the field."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
import yaml

Decoded = TypeVar("Decoded")


class ConfigError(Exception):
    """A file cannot be used; the message names the file and the field."""


LONGEST_DURATION = 366 * 86400.0


class Duration(float):
    """Seconds, written as `250ms`, `5s`, `2m` or `1h30m`."""

    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # noqa: RUF012
    _PART = re.compile(r"(\d+)(ms|s|m|h|d)")

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration that a text means.

        Raises:
            ValueError: it is not a duration, or not above 0.
        """
        parts = cls._PART.findall(text)
        if "".join(number + unit for number, unit in parts) != text or not parts:
            raise ValueError(f"{text!r} is not a duration such as 5s or 250ms")
        seconds = sum(float(number) * cls._UNITS[unit] for number, unit in parts)
        if seconds <= 0:
            raise ValueError(f"{text!r} is not above 0")
        if seconds > LONGEST_DURATION:
            raise ValueError(f"{text!r} is too long")
        return cls(seconds)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class ProbeBase(_Strict, frozen=True, kw_only=True):
    """What every probe has.

    Attributes:
        interval: between two tries.
        timeout: of one try, as a whole.
        baseline: what it normally takes; above twice of it, it is slow. Without one it never is.
    """

    interval: Duration = Duration(5)
    timeout: Duration = Duration(2)
    baseline: Duration | None = None


class HttpProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """GET answers with one of the given status codes, and at most 1 MiB. Redirects are not followed.

    Attributes:
        url: http or https; or the name of a file that holds it, when it contains a key.
        valid_status: 200 to 299 when empty.
        headers: sent along.
        ca_file: certificates to trust instead of the system's.
    """

    url: str | None = None
    url_file: str | None = None
    valid_status: tuple[int, ...] = ()
    headers: dict[str, str] = {}
    ca_file: str | None = None


class JsonRpcProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="json-rpc"):
    """An Ethereum node answers `eth_blockNumber` with a number.

    Attributes:
        url: http or https; or the name of a file that holds it, when it contains a key.
    """

    url: str | None = None
    url_file: str | None = None


class TcpProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="tcp"):
    """A connection is accepted.

    Attributes:
        address: `host:port`.
    """

    address: str


class PostgresProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="postgres"):
    """The database of POSTGRES_DSN answers `SELECT 1`, on a new connection."""


class RedisProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="redis"):
    """The server of REDIS_URL answers PING, on a new connection."""


Positive = Annotated[int, msgspec.Meta(gt=0)]
ProbeConfig = HttpProbe | JsonRpcProbe | TcpProbe | PostgresProbe | RedisProbe
_PROBE_KINDS = [probe.__struct_config__.tag for probe in get_args(ProbeConfig)]


class RateLimits(_Strict, frozen=True, kw_only=True):
    """How the platform keeps its rate limits.

    Attributes:
        adapter: `contract` reads the contract's keys, which hold the limits too.
        global_per_minute: for the other adapters: requests per minute of all clients together.
        client_per_minute: for the other adapters: requests per minute of one client.
    """

    adapter: Literal["contract", "flask-limiter", "sliding-window"] = "contract"
    global_per_minute: Positive | None = None
    client_per_minute: Positive | None = None


class Api(_Strict, frozen=True, kw_only=True):
    """The JSON API.

    Attributes:
        cors_origins: origins whose pages may read it; none by default.
    """

    cors_origins: tuple[str, ...] = ()


class Config(_Strict, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        settle: time after which rows with an older timestamp are not expected any more; those that come
            all the same are seen later, see `exporter.windows`.
        probes: by the name they have in the label `probe`.
        rate_limits: see `RateLimits`.
        api: see `Api`.
    """

    settle: Duration = Duration(20)
    probes: dict[str, ProbeConfig] = msgspec.field(
        default_factory=lambda: {"postgresql": PostgresProbe(), "redis_cache": RedisProbe()}
    )
    rate_limits: RateLimits = RateLimits()
    api: Api = Api()


LONGEST_SETTLE = 120
# What YAML takes for one of these may be a secret, which is not repeated.
_UNQUOTED = re.compile(r"(alias|anchor|tag|tag handle) ['\"].*", re.DOTALL)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_ORIGIN = re.compile(r"https?://[^/\s]+")
_PROBE_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def load(path: Path | None) -> Config:
    """The configuration in a file, or the defaults without one.

    Raises:
        ConfigError: the file cannot be read or is not valid.
    """
    if path is None:
        return Config()
    content = read_yaml(path)
    if isinstance(content, dict) and isinstance(content.get("probes"), dict):
        for name, probe in content["probes"].items():
            if isinstance(probe, dict) and isinstance(kind := probe.get("kind"), str) and kind not in _PROBE_KINDS:
                raise ConfigError(
                    f"{path}: probes.{name}.kind: Invalid value {kind!r}; must be one of {', '.join(_PROBE_KINDS)}"
                )
            # Within the whole, the error would not tell which probe it is about.
            _decode(probe, ProbeConfig, path, f"probes.{name}")
    config = decode(content, Config, path)
    if config.settle > LONGEST_SETTLE:
        raise ConfigError(f"{path}: settle: {config.settle:g} s is above {LONGEST_SETTLE} s")
    for name, probe in config.probes.items():
        _check_probe(probe, f"{path}: probes.{name}")
        if not _PROBE_NAME.fullmatch(name):
            raise ConfigError(f"{path}: probes: {name!r} is not a name of letters, digits, '_', '.' and '-'")
    for origin in config.api.cors_origins:
        # Browsers send exactly this; anything else would never match.
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(f"{path}: api.cors_origins: {origin!r} is not an origin such as https://ops.example")
    limits = config.rate_limits
    if limits.adapter == "contract" and (limits.global_per_minute or limits.client_per_minute):
        raise ConfigError(f"{path}: rate_limits: with the adapter contract the limits are read from Redis")
    if limits.adapter == "sliding-window" and not limits.client_per_minute:
        raise ConfigError(f"{path}: rate_limits.client_per_minute: the adapter sliding-window needs it")
    return config


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ConfigError: it cannot be read or parsed, or has a key twice.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506 (a safe loader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        problem = _UNQUOTED.sub(r"\1; quote a value that begins with * & or !", error.problem or error.context or "")
        raise ConfigError(f"{path}: {line}{problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    except (ValueError, TypeError, RecursionError) as error:
        # PyYAML's own, for a date without such a day, say, or a sequence as a key.
        raise ConfigError(f"{path}: {error}") from None
    return {} if content is None else content


def check_header(name: str, value: str, place: str) -> None:
    """Whether a header can be sent at all; it may be or hold a secret, and is not repeated.

    Raises:
        ConfigError: it cannot.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigError(f"{place}: one of the names is not that of a header")
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigError(f"{place}.{name}: holds a character that a header cannot")


def decode(content: Any, kind: type[Decoded], path: Path) -> Decoded:
    """Plain data as a typed structure.

    Raises:
        ConfigError: a field is unknown, missing or of the wrong type.
    """
    decoded: Decoded = _decode(content, kind, path, "")
    return decoded


def _decode(content: Any, kind: Any, path: Path, place: str) -> Any:
    try:
        return msgspec.convert(content, kind, dec_hook=_decode_duration)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).partition(" - at `$")
        where = (place + field.rstrip("`")).lstrip(".")
        raise ConfigError(f"{path}: {where + ': ' if where else ''}{reason}") from None


def _decode_duration(kind: type, value: Any) -> Any:
    if kind is Duration and isinstance(value, str):
        return Duration.parse(value)
    raise ValueError(f"{value!r} is not a duration such as 5s or 250ms")


def _check_probe(probe: ProbeConfig, place: str) -> None:
    if isinstance(probe, HttpProbe | JsonRpcProbe):
        if (probe.url is None) == (probe.url_file is None):
            raise ConfigError(f"{place}: exactly one of url and url_file is needed")
        if probe.url is not None and not probe.url.startswith(("http://", "https://")):
            raise ConfigError(f"{place}.url: must start with http:// or https://")
        if probe.url is not None and not _has_host(probe.url):
            raise ConfigError(f"{place}.url: is not a valid URL")
    if isinstance(probe, HttpProbe):
        for name, value in probe.headers.items():
            check_header(name, value, f"{place}.headers")
    if isinstance(probe, TcpProbe) and not (
        re.fullmatch(r".+:[0-9]{1,5}", probe.address) and int(probe.address.rpartition(":")[2]) <= 65535
    ):
        raise ConfigError(f"{place}.address: {probe.address!r} is not host:port")
    if probe.timeout > probe.interval:
        raise ConfigError(f"{place}.timeout: {probe.timeout:g} s is longer than the interval")


def _has_host(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"[\x00-\x20\x7f]", url)
    except ValueError:  # a port that is none, or half a bracket
        return False


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, except that a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<`, whose keys give way to those beside it
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
