"""The configuration file: how the responder paces itself and, in fields that the actions declare, where they act."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from common.connection_strings import is_ambiguous
from common.yaml_files import ConfigError, Duration, DurationOrZero, Strict, decode, read_yaml
from responder.labels import DEFAULT_PLATFORM

Content = TypeVar("Content")
Positive = Annotated[int, msgspec.Meta(gt=0)]
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Endpoint(Strict, frozen=True, kw_only=True):
    """An HTTP service.

    Attributes:
        url: address, http or https.
        token_file: file that holds a bearer token; it is read for every request.
        ca_file: file of certificates to trust instead of the system's.
    """

    url: str
    token_file: str | None = None
    ca_file: str | None = None


class Stop(Strict, frozen=True, kw_only=True):
    """The stop switch. While it is set, no action runs; incidents are still recorded.

    Attributes:
        redis_key: Redis key that stops everything while it has any value.
        file: file that stops everything while it exists.
    """

    redis_key: str = "responder:stop"
    file: str | None = None


class Pace(Strict, frozen=True, kw_only=True):
    """Times that pace the work.

    Attributes:
        lease: how long a claimed action belongs to its worker; a longer try is void.
        retry_longest: longest pause between two tries of an action.
        give_up: how long an action is tried while it is refused, before it has failed. Only time in which it was
            tried counts. While nobody answers, it is tried 24 times as long.
        check_every: time between two questions to Prometheus about one incident.
        stale_after: an open incident without any message for this long is checked too. Must be longer than
            Alertmanager's `repeat_interval`.
        late: for how long after an incident's end a firing message about the time before it is ignored.
        poll: how often a responder looks for work that another responder accepted.
    """

    lease: Duration = Duration(30)
    retry_longest: Duration = Duration(60)
    give_up: Duration = Duration(3600)
    check_every: Duration = Duration(5)
    stale_after: Duration = Duration(900)
    late: DurationOrZero = DurationOrZero(1800)
    poll: Duration = Duration(0.5)


def _anything(content: Any, pace: Pace) -> None:
    """No more is asked of the content than its type."""


@dataclass(frozen=True)
class Field(Generic[Content]):
    """A field of the file that belongs to an action, and is declared beside it.

    Attributes:
        name: in the file; `a.b` is the field b within a.
        kind: type of its content. The host of every `Endpoint` in it must be among `allowed_hosts`.
        check: raises ValueError when a content of that type cannot be used.
        meaning: what it is, where the action does not say it.
    """

    name: str
    kind: Any
    check: Callable[[Content, Pace], None] = _anything
    meaning: str = ""


class Config(Strict, frozen=True, kw_only=True):
    """The whole file, but for what the actions declare as theirs.

    Attributes:
        platform: name of the platform; alerts of other platforms are refused.
        prometheus: server that is asked whether an incident is over, and for figures before an action.
        allowed_hosts: hosts, as `host` or `host:port`, that may be called over HTTP besides that of `prometheus`.
        dry_run: no action has an effect; each records what it would have done.
        workers: number of actions that run at once.
        pace: times that pace the work.
        stop: the stop switch.
    """

    platform: Annotated[str, msgspec.Meta(min_length=1)] = DEFAULT_PLATFORM
    prometheus: Endpoint = Endpoint(url="http://prometheus:9090")
    allowed_hosts: tuple[str, ...] = ()
    dry_run: bool = False
    workers: Annotated[int, msgspec.Meta(ge=1, le=6)] = 4
    pace: Pace = Pace()
    stop: Stop = Stop()

    def get(self, field: Field[Content]) -> Content | None:
        """What the file says in a field that an action declares; None when it is not there."""
        content: Any = self
        for name in field.name.split("."):
            content = getattr(content, name, None)
        found: Content | None = content
        return found


def load(path: Path | None, fields: Iterable[Field[Any]]) -> Config:
    """The configuration in a file, or the defaults without one.

    Args:
        path: of the file.
        fields: that the actions declare; no other is known besides those of `Config`.

    Raises:
        ConfigError: the file cannot be read or is not valid.
    """
    if path is None:
        return Config()
    fields = list(fields)
    config: Config = decode(read_yaml(path), file_type(fields), f"{path}: ")
    for name, endpoint in _endpoints(config):
        host = authority(endpoint.url)
        if host is None:
            raise ConfigError(f"{path}: {name}.url: must start with http:// or https:// and name a host")
        if name != "prometheus" and not is_allowed(endpoint.url, config.allowed_hosts):
            raise ConfigError(f"{path}: {name}.url: the host {host} is not in allowed_hosts")
    for field in fields:
        content = config.get(field)
        try:
            if content is not None:
                field.check(content, config.pace)
        except ValueError as error:
            raise ConfigError(f"{path}: {field.name}: {error}") from None
    return config


def file_type(fields: Iterable[Field[Any]]) -> Any:
    """The type of the whole file: `Config` with the fields of the actions."""
    kinds: dict[str, dict[str, Any]] = {}
    for field in fields:
        outer, _, inner = field.name.rpartition(".")
        kinds.setdefault(outer, {})[inner] = field.kind
    own = kinds.pop("", {})
    for outer, inner_kinds in kinds.items():
        own[outer] = _structure(outer, inner_kinds, Strict)
    return _structure("File", own, Config)


def _structure(name: str, kinds: dict[str, Any], base: type[Strict]) -> Any:
    return msgspec.defstruct(
        name, [(field, kind | None, None) for field, kind in kinds.items()], bases=(base,), frozen=True, kw_only=True
    )


def _endpoints(structure: msgspec.Struct, within: str = "") -> Iterator[tuple[str, Endpoint]]:
    """Every HTTP service in the file with the name of its field."""
    for name in structure.__struct_fields__:
        content = getattr(structure, name)
        if isinstance(content, Endpoint):
            yield within + name, content
        elif isinstance(content, tuple):
            for number, entry in enumerate(content):
                if isinstance(entry, Endpoint):
                    yield f"{within}{name}[{number}]", entry
        elif isinstance(content, msgspec.Struct):
            yield from _endpoints(content, f"{within}{name}.")


def authority(url: str) -> str | None:
    """`host:port` of an HTTP address; None when it is none, or may be quoted in no message."""
    if is_ambiguous(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return f"{parts.hostname}:{port}"


def is_allowed(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether the address is of one of these hosts; one without a port allows all its ports."""
    host = authority(url)
    return host is not None and (host in hosts or host.rpartition(":")[0] in hosts)
