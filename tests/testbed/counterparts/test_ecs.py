"""The service of ECS that the simulator plays, as Amazon's own client sees it."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from responder.scalers.ecs import Ecs as Config
from responder.scalers.ecs import EcsScaler
from testbed.counterparts.ecs import PATH, Ecs
from testbed.counterparts.server import CounterpartServer


@pytest.fixture
def service() -> Ecs:
    return Ecs()


@pytest.fixture
def endpoint(service: Ecs, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with CounterpartServer([service]) as server:
        yield server.url + PATH


@pytest.fixture
def client(endpoint: str) -> Any:
    return boto3.client("ecs", region_name="us-east-1", endpoint_url=endpoint)


def test_the_responder_scales_it_and_back(service: Ecs, endpoint: str) -> None:
    scaler = EcsScaler(Config(region="us-east-1", cluster="ticketing", service="backend", endpoint_url=endpoint))
    assert scaler.read() == 2
    assert scaler.change(2, 4, confirm=lambda: None)
    assert scaler.change(2, 4, confirm=lambda: None)
    assert scaler.change(4, 2, confirm=lambda: None)
    assert service.changes == [4, 2]


def test_another_service_is_missing(client: Any) -> None:
    answer = client.describe_services(cluster="ticketing", services=["frontend"])
    assert (answer["services"], answer["failures"]) == ([], [{"arn": "frontend", "reason": "MISSING"}])
    with pytest.raises(client.exceptions.ServiceNotFoundException):
        client.update_service(cluster="ticketing", service="frontend", desiredCount=3)


def test_another_cluster_is_refused(client: Any) -> None:
    with pytest.raises(client.exceptions.ClusterNotFoundException):
        client.describe_services(cluster="other", services=["backend"])


def test_fewer_than_none_are_refused(service: Ecs, client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.update_service(cluster="ticketing", service="backend", desiredCount=-1)
    assert service.changes == []


def test_other_operations_are_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="ListTasks"):
        client.list_tasks(cluster="ticketing")


def test_an_unsigned_request_is_refused(service: Ecs, endpoint: str) -> None:
    answer = requests.post(endpoint, json={"cluster": "ticketing"}, timeout=10)
    assert (answer.status_code, answer.json()["__type"]) == (400, "MissingAuthenticationTokenException")
    assert service.changes == []
