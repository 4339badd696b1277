"""One service of Amazon ECS: `DescribeServices` and `UpdateService` of its JSON protocol."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from testbed.counterparts.server import Reply, Request

PATH = "/ecs/"
"""What stands behind the host in the endpoint that clients are given."""

_TARGET = "AmazonEC2ContainerServiceV20141113."
_MEDIA_TYPE = "application/x-amz-json-1.1"


@dataclass
class Ecs:
    """Answers signed requests; whose signature it is, it does not look at.

    Attributes:
        cluster: of the service.
        service: its name.
        desired: tasks wanted now.
        changes: each number that it was set to, in order; setting what is there already is no change.
    """

    cluster: str = "ticketing"
    service: str = "backend"
    desired: int = 2
    changes: list[int] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> Reply | None:
        """See `Counterpart`."""
        if request.path != PATH:
            return None
        operation = request.headers.get("x-amz-target", "").removeprefix(_TARGET)
        asked = request.json()
        if request.method != "POST" or not isinstance(asked, dict):
            return _failure("ClientException", "not a request of the JSON protocol")
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return _failure("MissingAuthenticationTokenException", "the request is not signed")
        if asked.get("cluster", "default").rpartition("/")[2] != self.cluster:
            return _failure("ClusterNotFoundException", "Cluster not found.")
        with self.lock:
            if operation == "DescribeServices":
                return self._describe(asked)
            if operation == "UpdateService":
                return self._update(asked)
        return _failure("UnknownOperationException", f"no operation {operation}")

    def _describe(self, asked: dict[str, Any]) -> Reply:
        names = asked.get("services", [])
        missing = [{"arn": name, "reason": "MISSING"} for name in names if name != self.service]
        services = [self._service()] if self.service in names else []
        return Reply.of_json(200, {"services": services, "failures": missing}, _MEDIA_TYPE)

    def _update(self, asked: dict[str, Any]) -> Reply:
        if asked.get("service") != self.service:
            return _failure("ServiceNotFoundException", "Service not found.")
        desired = asked.get("desiredCount", self.desired)
        if not isinstance(desired, int) or desired < 0:
            return _failure("InvalidParameterException", "desiredCount must be 0 or more")
        if desired != self.desired:
            self.desired = desired
            self.changes.append(desired)
        return Reply.of_json(200, {"service": self._service()}, _MEDIA_TYPE)

    def _service(self) -> dict[str, Any]:
        return {
            "serviceName": self.service,
            "status": "ACTIVE",
            "desiredCount": self.desired,
            "runningCount": self.desired,
            "pendingCount": 0,
        }


def _failure(kind: str, message: str) -> Reply:
    return Reply.of_json(400, {"__type": kind, "message": message}, _MEDIA_TYPE)
