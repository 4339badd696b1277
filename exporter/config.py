"""The configuration file: read strictly, with errors that name the file and the field."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from common.yaml_files import ConfigError, Duration, Strict, decode, read_yaml
from contract.definition import BLOCKED, RATE_LIMIT_FIELDS, RATE_LIMITS, Decision
from exporter.absence import NAMES, Absence
from exporter.kpi_sources import Kpis, check_kpis, keys_not_needed
from exporter.own_metrics.config import Entry, check_metrics, decode_metrics
from exporter.traffic_sources import Traffic, check_traffic, keys_elsewhere


class ProbeBase(Strict, frozen=True, kw_only=True):
    """What every probe has.

    Attributes:
        interval: time between two tries.
        timeout: longest duration of one try, from start to end.
        baseline: normal duration of a try. `ticketing_probe_slow` is 1 above twice of it; the alert ServiceSlow has a
            limit of its own. Without a baseline the service is never slow.
    """

    interval: Duration = Duration(5)
    timeout: Duration = Duration(2)
    baseline: Duration | None = None


class HttpProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """GET answers with one of the given status codes, and at most 1 MiB. Redirects are not followed.

    Attributes:
        url: address, http or https. Give either this or `url_file`.
        url_file: file that holds the address, for one that contains a key.
        valid_status: status codes that count as success; 200 to 299 when empty.
        headers: headers of the request.
        ca_file: file of certificates to trust instead of the system's.
    """

    url: str | None = None
    url_file: str | None = None
    valid_status: tuple[int, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    ca_file: str | None = None


class JsonRpcProbe(ProbeBase, frozen=True, kw_only=True, tag_field="kind", tag="json-rpc"):
    """An Ethereum node answers `eth_blockNumber` with a number.

    Attributes:
        url: address, http or https. Give either this or `url_file`.
        url_file: file that holds the address, for one that contains a key.
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


class RateLimits(Strict, frozen=True, kw_only=True):
    """How the platform keeps its rate limits.

    Attributes:
        adapter: where limits and blocked clients are read. `contract` reads the contract's keys. `view` reads the view
            `monitoring.blocked_clients` and, for limits that are not given here, `monitoring.rate_limits`. `none` is
            for platforms without limits.
        global_per_minute: limit of requests per minute for all clients together, except for adapter `contract`.
        client_per_minute: limit of requests per minute for one client, except for adapter `contract`.
        storage_prefix: `key_prefix` of Flask-Limiter's storage options.
        key_prefix: `key_prefix` of Flask-Limiter itself.
    """

    adapter: Literal["contract", "flask-limiter", "sliding-window", "view", "none"] = "contract"
    global_per_minute: Positive | None = None
    client_per_minute: Positive | None = None
    storage_prefix: str = "LIMITS"
    key_prefix: str = ""

    @property
    def told(self) -> dict[str, int]:
        """The limits that are told here, by scope."""
        limits = {"global": self.global_per_minute, "client": self.client_per_minute}
        return {scope: limit for scope, limit in limits.items() if limit is not None}


class Absent(Strict, frozen=True, kw_only=True):
    """What the platform does not have. An unknown name is refused with the list of those that exist.

    Attributes:
        sections: sections that are not collected.
        views: views of the schema `monitoring` that are not read.
        keys: Redis keys that are not read; name a key that ends in a minute without it.
        features: features of the product. All that depends on one is absent with it.
    """

    sections: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


class Platform(Strict, frozen=True, kw_only=True):
    """Facts about the platform that its operator declares.

    Attributes:
        absent: what the platform does not have.
    """

    absent: Absent = Absent()


class PlatformFile(Strict, frozen=True, kw_only=True):
    """The file of --platform.file: the part `platform` of the configuration, for who wants it by itself."""

    platform: Platform = Platform()


class Api(Strict, frozen=True, kw_only=True):
    """The JSON API.

    Attributes:
        cors_origins: origins whose web pages may read the API.
    """

    cors_origins: tuple[str, ...] = ()


class Config(Strict, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        settle: longest time between a row's timestamp and its commit. Rows that come later are counted later, see
            docs/architecture.md.
        max_lag: data of a replica that lags more are not used.
        probes: probes by name; the name becomes the label `probe`.
        rate_limits: where rate limits and blocked clients come from.
        traffic: where request counts come from.
        kpis: where each KPI comes from.
        predicted_fraud: decisions that count as predicted fraud in precision, recall and F1.
        api: the JSON API.
        platform: what the platform does not have.
        metrics: metrics of your own, see docs/own-metrics.md.
    """

    settle: Duration = Duration(20)
    max_lag: Duration = Duration(30)
    probes: dict[str, ProbeConfig] = msgspec.field(
        default_factory=lambda: {"postgresql": PostgresProbe(), "redis_cache": RedisProbe()}
    )
    rate_limits: RateLimits = RateLimits()
    traffic: Traffic = Traffic()
    kpis: Kpis = Kpis()
    predicted_fraud: Annotated[tuple[Decision, ...], msgspec.Meta(min_length=1)] = (BLOCKED,)
    api: Api = Api()
    platform: Platform = Platform()
    metrics: tuple[Entry, ...] = ()

    @property
    def absence(self) -> Absence:
        """All that is absent, with what follows; what does not come from its key is there without it."""
        declared: dict[str, tuple[str, ...]] = msgspec.structs.asdict(self.platform.absent)
        limits = self.rate_limits
        if limits.adapter == "none":
            declared["features"] += ("rate_limits",)
        elif limits.adapter in TELLS_NO_LIMITS and RATE_LIMITS in declared["keys"]:
            declared["features"] += tuple(f"{scope}_limit" for scope in RATE_LIMIT_FIELDS if scope not in limits.told)
        without = keys_not_needed(self.kpis) | keys_elsewhere(self.traffic, limits.adapter)
        declared["keys"] = tuple(key for key in declared["keys"] if key not in without)
        return Absence.of(declared)


TELLS_NO_LIMITS = ("flask-limiter", "sliding-window")
"""Adapters whose limits are those of the configuration."""
LONGEST_SETTLE = 120
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_ORIGIN = re.compile(r"https?://[^/\s]+")
_PROBE_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def load(path: Path | None, platform_path: Path | None = None) -> Config:
    """The configuration in a file, or the defaults without one, with the platform of a file of its own.

    Raises:
        ConfigError: a file cannot be read or is not valid, or both declare the platform.
    """
    config = _with_platform(_load(path) if path else Config(), path, platform_path)
    check_kpis(config.kpis, config.absence, f"{path}: kpis")
    check_metrics(config.metrics, config.absence, float(config.settle), f"{path}: metrics")
    check_traffic(config.traffic, config.rate_limits.adapter, config.absence, f"{path}: traffic")
    return config


def _with_platform(config: Config, path: Path | None, platform_path: Path | None) -> Config:
    if platform_path is None:
        return config
    if config.platform != Platform():
        raise ConfigError(f"{platform_path}: {path} also declares the platform: keep it in one of them")
    content = decode(read_yaml(platform_path), PlatformFile, f"{platform_path}: ")
    _check_names(content.platform.absent, platform_path)
    return msgspec.structs.replace(config, platform=content.platform)


def _load(path: Path) -> Config:
    content = read_yaml(path)
    if isinstance(content, dict) and isinstance(content.get("probes"), dict):
        for name, probe in content["probes"].items():
            if isinstance(probe, dict) and isinstance(kind := probe.get("kind"), str) and kind not in _PROBE_KINDS:
                raise ConfigError(
                    f"{path}: probes.{name}.kind: Invalid value {kind!r}; must be one of {', '.join(_PROBE_KINDS)}"
                )
            # Within the whole, the error would not tell which probe it is about.
            decode(probe, ProbeConfig, f"{path}: probes.{name}")
    if isinstance(content, dict):
        decode_metrics(content.get("metrics"), f"{path}: metrics")
    config: Config = decode(content, Config, f"{path}: ")
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
    _check_names(config.platform.absent, path)
    limits = config.rate_limits
    if limits.adapter == "contract" and (limits.global_per_minute or limits.client_per_minute):
        raise ConfigError(f"{path}: rate_limits: with the adapter contract the limits are read from Redis")
    if limits.adapter == "none" and (limits.global_per_minute or limits.client_per_minute):
        raise ConfigError(f"{path}: rate_limits: with the adapter none there are no limits")
    if limits.adapter == "sliding-window" and not limits.client_per_minute:
        raise ConfigError(f"{path}: rate_limits.client_per_minute: the adapter sliding-window needs it")
    return config


def check_header(name: str, value: str, place: str) -> None:
    """Whether a header can be sent at all; it may be or hold a secret, and is not repeated.

    Raises:
        ConfigError: it cannot.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigError(f"{place}: one of the names is not that of a header")
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigError(f"{place}.{name}: holds a character that a header cannot")


def _check_names(absent: Absent, path: Path) -> None:
    for field, names in NAMES.items():
        for name in getattr(absent, field):
            if name not in names:
                known = ", ".join(names)
                raise ConfigError(f"{path}: platform.absent.{field}: {name!r} is none of {known}")


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
