"""Performance profiles, on disk and in S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.responder.actions.single import crash_before_it_is_written_down, one, outcome, tried
from tests.responder.conftest import Start, World
from tests.responder.messages import LATENCY, firing, message, resolved
from tests.responder.process import wait_until

CAPTURE = one("capture_profile", LATENCY)


def test_a_profile_is_kept_once_and_the_oldest_go(world: World, start: Start) -> None:
    world.directory.mkdir()
    for year in range(2001, 2007):
        (world.directory / f"{year}0101T000000Z-x.pprof").write_text("old")
    profiles = {**world.config()["profiles"], "keep": 3}
    responder = start({"profiles": profiles}, playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    kept = Path(outcome(responder, "capture_profile")["after"]["profile"])
    assert responder.incident()["correlation_id"] in kept.name
    assert kept.read_text().startswith("main;serve")
    assert sorted(path.name for path in world.directory.iterdir()) == [
        "20050101T000000Z-x.pprof",
        "20060101T000000Z-x.pprof",
        kept.name,
    ]


def test_a_profile_that_is_too_large_is_refused(world: World, start: Start) -> None:
    profiles = {**world.config()["profiles"], "largest_bytes": 10}
    responder = start({"profiles": profiles}, playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    failed = outcome(responder, "capture_profile")
    assert (failed["state"], "larger than 10 bytes" in failed["reason"]) == ("failed", True)
    assert not world.directory.exists()


def fetched(world: World) -> int:
    return sum(one.path == "/debug/pprof/profile" for one in world.outside.requests)


def test_a_source_that_hangs_is_left_in_time_and_asked_again(world: World, start: Start) -> None:
    world.outside.trouble.delay = 2
    responder = start(playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    tried(responder, "capture_profile", "no answer within")
    world.outside.trouble.delay = 0
    assert outcome(responder, "capture_profile")["state"] == "done"


def test_an_empty_profile_is_none(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    responder = start(playbooks=CAPTURE)
    with monkeypatch.context() as patch:
        patch.setattr("testbed.counterparts.profiler._STACKS", "")
        responder.post(message(firing(LATENCY)))
        tried(responder, "capture_profile", "the profile is empty")
    assert outcome(responder, "capture_profile")["after"]["bytes"] > 0


def test_a_directory_that_cannot_be_written_is_tried_again(world: World, start: Start) -> None:
    world.directory.write_text("a file")
    responder = start(playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    tried(responder, "capture_profile", f"{world.directory}: ")
    world.directory.unlink()
    assert Path(outcome(responder, "capture_profile")["after"]["profile"]).exists()
    assert len(list(world.directory.iterdir())) == 1


def test_a_crash_after_it_was_kept_takes_no_other(world: World, start: Start) -> None:
    responder = start(playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    kept = outcome(responder, "capture_profile")["after"]["profile"]
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "capture_profile")["after"] == {"profile": kept}
    assert (fetched(world), len(list(world.directory.iterdir()))) == (1, 1)


def test_when_all_is_over_a_profile_would_show_nothing(world: World, start: Start) -> None:
    world.outside.trouble.status = 503
    responder = start(playbooks=CAPTURE)
    responder.post(message(firing(LATENCY)))
    tried(responder, "capture_profile", "answered 503")
    responder.post(message(resolved(LATENCY)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    world.outside.trouble.status = 0
    skipped = outcome(responder, "capture_profile")
    assert (skipped["state"], skipped["reason"]) == (
        "skipped",
        "the incident was over before a profile could be taken",
    )


def test_a_profile_goes_to_s3(world: World, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint)
        profiles: dict[str, Any] = {
            "source": world.config()["profiles"]["source"],
            "bucket": "profiles",
            "region": "us-east-1",
            "endpoint_url": endpoint,
            "timeout": "900ms",
        }
        responder = start({"profiles": profiles}, playbooks=CAPTURE, environment=credentials, pace={"lease": "20s"})
        responder.post(message(firing(LATENCY)))
        wait_until(lambda: "NoSuchBucket" in str(responder.actions()["capture_profile"]["reason"]), 20)
        s3.create_bucket(Bucket="profiles")
        place = outcome(responder, "capture_profile")["after"]["profile"]
        body = s3.get_object(Bucket="profiles", Key=place.removeprefix("s3://profiles/"))["Body"].read()
        assert body.startswith(b"main;serve")
    finally:
        server.stop()
