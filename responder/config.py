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
        url: http or https.
        token_file: holds a bearer token; read for every request.
        ca_file: certificates to trust instead of the system's.
    """

    url: str
    token_file: str | None = None
    ca_file: str | None = None


class Stop(Strict, frozen=True, kw_only=True):
    """What stops every action while it is there; the incidents are recorded all the same.

    Attributes:
        redis_key: a key with any value.
        file: a file with any content.
    """

    redis_key: str = "responder:stop"
    file: str | None = None


class Pace(Strict, frozen=True, kw_only=True):
    """Times.

    Attributes:
        lease: a claimed action belongs to its worker for so long; a try that takes longer comes to nothing.
        retry_longest: between two tries of an action, at most.
        give_up: an action that has been refused for so long has failed. It counts in which time it was tried, and of
            tries that nobody answered a 24th.
        check_every: between two questions to Prometheus about one incident.
        stale_after: an open incident of which nothing has been heard for so long is checked, too; longer than
            Alertmanager's `repeat_interval`.
        late: a firing message that is about the time before the incident's end is not believed for so long after it.
        poll: how often a responder looks for work that another has been told of.
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
    """

    name: str
    kind: Any
    check: Callable[[Content, Pace], None] = _anything


class Config(Strict, frozen=True, kw_only=True):
    """The whole file, but for what the actions declare as theirs.

    Attributes:
        platform: alerts of another one are refused.
        prometheus: is asked whether an incident is really over, and for what is known before an action.
        allowed_hosts: `host` or `host:port` that may be called over HTTP, besides the one of `prometheus`.
        dry_run: no action has an effect; each says what it would have done.
        workers: actions at once.
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
    config: Config = decode(read_yaml(path), _with_fields(fields), f"{path}: ")
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


def _with_fields(fields: Iterable[Field[Any]]) -> Any:
    """The type of the whole file."""
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
