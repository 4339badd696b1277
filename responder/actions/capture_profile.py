"""A performance profile of the backend while it is slow, kept for who analyses it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from common.yaml_files import Duration, Strict
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field, Pace, Positive
from responder.errors import RefusedError, RetryError, SkipError
from responder.ledger.claims import State

UPLOAD_SECONDS = 15.0
"""What a profile may take from its source to S3, besides its own time."""


class Profiles(Strict, frozen=True, kw_only=True):
    """Where performance profiles come from and go to; exactly one of `directory` and `bucket`.

    Attributes:
        source: service that answers GET with a profile, for example pprof, or py-spy behind HTTP.
        directory: directory for the files.
        bucket: S3 bucket; needs the extra `aws`. The bucket's own lifecycle decides about retention.
        region: region of the bucket.
        endpoint_url: address to use instead of Amazon's.
        keep: number of files to keep in `directory`.
        suffix: suffix of the files' names.
        largest_bytes: size above which a profile is refused.
        timeout: longest duration of taking one profile.
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


def _check(profiles: Profiles, pace: Pace) -> None:
    if (profiles.directory is None) == (profiles.bucket is None):
        raise ValueError("exactly one of directory and bucket is needed")
    upload = UPLOAD_SECONDS if profiles.bucket is not None else 0
    if pace.lease <= profiles.timeout + upload:
        more = f" and {upload:g} s for the upload" if upload else ""
        raise ValueError(f"pace.lease must be longer than its timeout, {profiles.timeout:g} s{more}")


PROFILES = Field[Profiles]("profiles", Profiles, _check)


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives: nothing; where profiles come from and go to is configured."""


class CaptureProfile(Action[Parameters]):
    """One profile an incident; where it is kept is in the incident."""

    parameters = Parameters
    needs = (PROFILES,)

    def apply(self, task: Task, parameters: Parameters) -> State:  # noqa: ARG002
        """See `Action`."""
        profiles = task.configured(PROFILES)
        if task.incident.closed:
            raise SkipError("the incident was over before a profile could be taken")
        name = f"{task.incident.opened_at:%Y%m%dT%H%M%SZ}-{task.correlation_id}{profiles.suffix}"
        if profiles.directory is not None and (kept := Path(profiles.directory, name)).exists():
            return {"profile": str(kept)}
        reply = task.services.http.request(
            "GET",
            profiles.source,
            headers={"Accept": "*/*"},
            seconds=profiles.timeout,
            attempts=1,
            largest=profiles.largest_bytes,
        )
        if not reply.body:
            raise RetryError("the profile is empty")
        if profiles.directory is not None:
            place = _keep(Path(profiles.directory), profiles, name, reply.body)
        else:
            place = _upload(profiles, name, reply.body)
        return {"profile": place, "bytes": len(reply.body)}

    def preview(self, task: Task, parameters: Parameters) -> str:  # noqa: ARG002
        """See `Action`."""
        return "would take a performance profile"


def _keep(directory: Path, profiles: Profiles, name: str, content: bytes) -> str:
    """Write a file as a whole or not at all, and remove the oldest ones above the number that is kept."""
    path = directory / name
    partial = path.with_name(f".{name}.{os.getpid()}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
        # The names begin with a time, so they sort by age.
        kept = sorted(directory.glob(f"[0-9]*{profiles.suffix}"))
        for old in kept[: -profiles.keep]:
            old.unlink(missing_ok=True)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise RetryError(f"{directory}: {error.strerror}") from None
    return str(path)


def _upload(profiles: Profiles, name: str, content: bytes) -> str:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise RefusedError("boto3 is not installed: pip install 'ticketing-monitor[aws]'") from None
    # Repeated by the ledger instead, so that a try ends well within its lease.
    limits = Config(connect_timeout=3, read_timeout=6, retries={"total_max_attempts": 1})
    key = f"profiles/{name}"
    try:
        client = boto3.client("s3", region_name=profiles.region, endpoint_url=profiles.endpoint_url, config=limits)
        client.put_object(Bucket=profiles.bucket, Key=key, Body=content)
    except (ClientError, BotoCoreError, ValueError) as error:
        raise RetryError(f"S3: {error}") from None
    return f"s3://{profiles.bucket}/{key}"
