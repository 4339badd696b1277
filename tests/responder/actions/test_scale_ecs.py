"""Replicas of a service of Amazon ECS, which moto plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.responder.actions.single import Forward, crash_before_it_is_written_down, one, outcome, tried
from tests.responder.conftest import Start, World
from tests.responder.messages import LATENCY, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

SCALE = one("scale_backend", LATENCY, add=2, most=10, expires="1h")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True)
class Service:
    """The service, and what changes it."""

    client: Any

    @property
    def desired(self) -> int:
        answer = self.client.describe_services(cluster="ticketing", services=["backend"])
        return int(answer["services"][0]["desiredCount"])

    def scale(self, number: int) -> None:
        """What a person or an autoscaler does."""
        self.client.update_service(cluster="ticketing", service="backend", desiredCount=number)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of a server that plays Amazon."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def service(world: World, moto: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Two replicas; what is outside hands on to moto, so that it can be in trouble."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{moto}/moto-api/reset", timeout=10)
    client = boto3.client("ecs", region_name="us-east-1", endpoint_url=moto)
    client.create_cluster(clusterName="ticketing")
    client.register_task_definition(
        family="backend", containerDefinitions=[{"name": "backend", "image": "x", "memory": 64}]
    )
    client.create_service(cluster="ticketing", serviceName="backend", taskDefinition="backend", desiredCount=2)
    world.outside.counterparts[:] = [Forward(moto)]
    return Service(client)


def scaling(world: World, start: Start, *, lease: str = "3s", **fields: str) -> ResponderProcess:
    """A responder that has been told of a latency."""
    backend = {"kind": "ecs", "region": "us-east-1", "cluster": "ticketing", "service": "backend"}
    backend |= {"endpoint_url": world.outside.url, **fields}
    responder = start({"backend": backend}, playbooks=SCALE, environment=CREDENTIALS, pace={"lease": lease})
    responder.post(message(firing(LATENCY)))
    return responder


def end(responder: ResponderProcess) -> dict[str, Any]:
    responder.post(message(resolved(LATENCY)))
    wait_until(lambda: outcome(responder, "scale_backend")["state"] == "reverted", what=responder.log)
    return outcome(responder, "scale_backend")


def updates(world: World) -> int:
    target = "AmazonEC2ContainerServiceV20141113.UpdateService"
    return sum(one.headers.get("x-amz-target") == target for one in world.outside.requests)


def test_scaled_to_two_more_and_back(world: World, start: Start, service: Service) -> None:
    responder = scaling(world, start)
    scaled = outcome(responder, "scale_backend")
    assert (scaled["before"], scaled["after"], service.desired) == ({"replicas": 2}, {"replicas": 4}, 4)
    assert end(responder)["reason"] is None
    assert (service.desired, updates(world)) == (2, 2)


def test_what_somebody_else_has_changed_is_left_alone(world: World, start: Start, service: Service) -> None:
    responder = scaling(world, start)
    outcome(responder, "scale_backend")
    service.scale(6)
    assert end(responder)["reason"] == "changed by somebody else since; left alone"
    assert service.desired == 6


@pytest.mark.parametrize(
    ("field", "reason"),
    [("service", "ECS has no service nothing in ticketing"), ("cluster", "ClusterNotFoundException")],
)
def test_a_refusal_is_final(world: World, start: Start, service: Service, field: str, reason: str) -> None:
    failed = outcome(scaling(world, start, **{field: "nothing"}), "scale_backend")
    assert (failed["state"], failed["attempts"], service.desired) == ("failed", 1, 2)
    assert reason in failed["reason"]


def test_an_api_that_fails_is_tried_again(world: World, start: Start, service: Service) -> None:
    world.outside.trouble.status = 503
    responder = scaling(world, start)
    tried(responder, "scale_backend", "ECS: ")
    world.outside.trouble.status = 0
    assert outcome(responder, "scale_backend")["state"] == "done"
    assert (service.desired, updates(world)) == (4, 1)


def test_an_api_that_hangs_is_left_in_time_and_tried_again(world: World, start: Start, service: Service) -> None:
    world.outside.trouble.delay = 8
    responder = scaling(world, start, lease="30s")
    tried(responder, "scale_backend", "Read timeout", 25)
    world.outside.trouble.delay = 0
    assert outcome(responder, "scale_backend")["state"] == "done"
    assert service.desired == 4


def test_half_done_at_a_crash_is_finished_and_put_back(world: World, start: Start, service: Service) -> None:
    responder = scaling(world, start)
    outcome(responder, "scale_backend")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "scale_backend")["attempts"] == 2
    assert service.desired == 4
    end(responder)
    assert (service.desired, updates(world)) == (2, 2)
