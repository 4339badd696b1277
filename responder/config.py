"""The configuration file: where everything is that the actions need, and how the responder paces itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from common.connection_strings import is_ambiguous
from common.yaml_files import ConfigError, Duration, DurationOrZero, Strict, decode, read_yaml
from responder.labels import DEFAULT_PLATFORM

Positive = Annotated[int, msgspec.Meta(gt=0)]
UPLOAD_SECONDS = 15.0
"""What a profile may take from its source to S3, besides its own time."""
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


class Kubernetes(Endpoint, frozen=True, kw_only=True, tag_field="kind", tag="kubernetes"):
    """A Deployment, scaled by its `scale` subresource.

    Attributes:
        url: of the API server.
        namespace: of the Deployment.
        deployment: its name.
    """

    namespace: str
    deployment: str


class Ecs(Strict, frozen=True, kw_only=True, tag_field="kind", tag="ecs"):
    """An Amazon ECS service; needs the extra `aws`. Credentials are found as boto3 finds them.

    Attributes:
        region: such as us-east-1.
        cluster: its name or ARN.
        service: its name or ARN.
        endpoint_url: instead of Amazon's own.
    """

    region: str
    cluster: str
    service: str
    endpoint_url: str | None = None


class Siem(Strict, frozen=True, kw_only=True):
    """The SIEM's HTTP interfaces, besides the contract's function.

    Attributes:
        events: a collector that takes one JSON object a POST.
        incidents: opens an incident workflow for each `Idempotency-Key`.
    """

    events: Endpoint | None = None
    incidents: Endpoint | None = None


class Profiles(Strict, frozen=True, kw_only=True):
    """Where performance profiles come from and go to; exactly one of `directory` and `bucket`.

    Attributes:
        source: answers GET with a profile, as pprof and py-spy behind HTTP do.
        directory: keeps them as files.
        bucket: keeps them in S3; needs the extra `aws`. Retention there is the bucket's own lifecycle.
        region: of the bucket.
        endpoint_url: instead of Amazon's own.
        keep: how many files are kept.
        suffix: of their names.
        largest_bytes: a larger profile is refused.
        timeout: of one profile, as a whole.
    """

    source: Endpoint
    directory: str | None = None
    bucket: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    keep: Positive = 50
    suffix: str = ".pprof"
    largest_bytes: Positive = 64 << 20
    timeout: Duration = Duration(20)


class Chat(Strict, frozen=True, kw_only=True):
    """A chat that takes `{"text": …}`, as Slack's incoming webhooks do.

    Attributes:
        url_file: holds the address, which is a secret.
    """

    url_file: str


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
        give_up: an action that has been tried for so long has failed.
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


class Config(Strict, frozen=True, kw_only=True):
    """The whole file. What is not configured is skipped by the actions that need it, and they say so.

    Attributes:
        platform: alerts of another one are refused.
        prometheus: is asked whether an incident is really over, and for the counts behind the fraud rate.
        allowed_hosts: `host` or `host:port` that may be called over HTTP, besides the one of `prometheus`.
        dry_run: no action has an effect; each says what it would have done.
        workers: actions at once.
        never_indicate: networks that are never put into the threat feed.
        retraining: told of each retraining request.
        threat_feed: a TAXII 2.1 collection, its address ending in its id.
    """

    platform: Annotated[str, msgspec.Meta(min_length=1)] = DEFAULT_PLATFORM
    prometheus: Endpoint = Endpoint(url="http://prometheus:9090")
    allowed_hosts: tuple[str, ...] = ()
    dry_run: bool = False
    workers: Annotated[int, msgspec.Meta(ge=1, le=6)] = 4
    never_indicate: tuple[str, ...] = ()
    pace: Pace = Pace()
    stop: Stop = Stop()
    backend: Kubernetes | Ecs | None = None
    profiles: Profiles | None = None
    siem: Siem = Siem()
    retraining: Endpoint | None = None
    threat_feed: Endpoint | None = None
    chat: Chat | None = None


def load(path: Path | None) -> Config:
    """The configuration in a file, or the defaults without one.

    Raises:
        ConfigError: the file cannot be read or is not valid.
    """
    if path is None:
        return Config()
    config: Config = decode(read_yaml(path), Config, f"{path}: ")
    for field, endpoint in endpoints(config):
        host = authority(endpoint.url)
        if host is None:
            raise ConfigError(f"{path}: {field}.url: must start with http:// or https:// and name a host")
        if field != "prometheus" and not is_allowed(endpoint.url, config.allowed_hosts):
            raise ConfigError(f"{path}: {field}.url: the host {host} is not in allowed_hosts")
    profiles = config.profiles
    if profiles is not None and (profiles.directory is None) == (profiles.bucket is None):
        raise ConfigError(f"{path}: profiles: exactly one of directory and bucket is needed")
    for network in config.never_indicate:
        try:
            ip_network(network)
        except ValueError as error:
            raise ConfigError(f"{path}: never_indicate: {error}") from None
    if profiles is not None:
        upload = UPLOAD_SECONDS if profiles.bucket is not None else 0
        if config.pace.lease <= profiles.timeout + upload:
            more = f" and {upload:g} s for the upload" if upload else ""
            raise ConfigError(f"{path}: pace.lease: must be longer than profiles.timeout, {profiles.timeout:g} s{more}")
    return config


def endpoints(config: Config) -> Iterator[tuple[str, Endpoint]]:
    """Every HTTP service with the name of its field."""
    found: dict[str, Endpoint | None] = {
        "prometheus": config.prometheus,
        "backend": config.backend if isinstance(config.backend, Kubernetes) else None,
        "profiles.source": config.profiles.source if config.profiles else None,
        "siem.events": config.siem.events,
        "siem.incidents": config.siem.incidents,
        "retraining": config.retraining,
        "threat_feed": config.threat_feed,
    }
    for name, endpoint in found.items():
        if endpoint is not None:
            yield name, endpoint


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
