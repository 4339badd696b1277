"""The `scale` subresource of one Deployment, with the optimistic locking of the real API."""

import re
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from testbed.counterparts.server import Reply, Request

_PATH = re.compile(r"/apis/apps/v1/namespaces/(?P<namespace>[^/]+)/deployments/(?P<name>[^/]+)/scale")


@dataclass
class Kubernetes:
    """Answers GET and PUT.

    Attributes:
        namespace: of the Deployment.
        name: of the Deployment.
        replicas: wanted now.
        token: that requests must bear; any will do when empty.
        changes: each number that it was set to, in order; setting what is there already is no change.
    """

    namespace: str = "ticketing"
    name: str = "backend"
    replicas: int = 2
    token: str = ""
    version: int = 1
    changes: list[int] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> Reply | None:
        """See `Counterpart`."""
        match = _PATH.fullmatch(request.path)
        if match is None:
            return None
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return _failure(401, "Unauthorized", "Unauthorized")
        if (match["namespace"], match["name"]) != (self.namespace, self.name):
            return _failure(404, "NotFound", f'deployments.apps "{match["name"]}" not found')
        with self.lock:
            if request.method == "GET":
                return Reply.of_json(200, self._scale())
            if request.method == "PUT":
                return self._put(request)
        return _failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def scale(self, replicas: int) -> None:
        """What a person or an autoscaler does."""
        with self.lock:
            self._set(replicas)

    def _put(self, request: Request) -> Reply:
        scale = request.json()
        if request.headers.get("content-type") != "application/json":
            return _failure(415, "UnsupportedMediaType", "the body must be JSON")
        if not isinstance(scale, dict) or (scale.get("kind"), scale.get("apiVersion")) != ("Scale", "autoscaling/v1"):
            return _failure(400, "BadRequest", "the object provided is not a Scale")
        metadata, replicas = scale.get("metadata") or {}, (scale.get("spec") or {}).get("replicas", 0)
        if metadata.get("name") != self.name or not isinstance(replicas, int) or replicas < 0:
            return _failure(422, "Invalid", "metadata.name or spec.replicas is invalid")
        if metadata.get("resourceVersion") not in (None, str(self.version)):
            return _failure(409, "Conflict", "the object has been modified; please apply your changes to the latest")
        self._set(replicas)
        return Reply.of_json(200, self._scale())

    def _set(self, replicas: int) -> None:
        if replicas != self.replicas:
            self.replicas = replicas
            self.version += 1
            self.changes.append(replicas)

    def _scale(self) -> dict[str, Any]:
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {"name": self.name, "namespace": self.namespace, "resourceVersion": str(self.version)},
            # As the real one, it leaves out a number of 0.
            "spec": {"replicas": self.replicas} if self.replicas else {},
            "status": {"replicas": self.replicas, "selector": f"app={self.name}"},
        }


def _failure(code: int, reason: str, message: str) -> Reply:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return Reply.of_json(code, {**status, "reason": reason, "message": message})
