"""What the responder may hold changed, as the platform's people see and change it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import redis

from testbed.counterparts.kubernetes import Kubernetes

State = dict[str, Any]


class Target(ABC):
    """What is changed, and how the platform's people see and change it."""

    action: ClassVar[str]
    started_with: ClassVar[State]
    operators: ClassVar[tuple[State, ...]]
    parameters: ClassVar[tuple[dict[str, Any], ...]]

    @abstractmethod
    def read(self) -> State: ...

    @abstractmethod
    def set(self, state: State) -> None: ...

    @abstractmethod
    def want(self, base: State, parameters: dict[str, Any]) -> State | None: ...

    @abstractmethod
    def strictest(self, states: list[State]) -> State: ...


@dataclass
class Threshold(Target):
    """`config:fraud_threshold` in Redis."""

    client: redis.Redis
    action: ClassVar = "set_fraud_threshold"
    started_with: ClassVar = {"value": "0.60"}
    operators: ClassVar = tuple({"value": value} for value in ("0.35", "0.45", "0.52", "0.65", "0.75"))
    parameters: ClassVar = tuple({"value": value} for value in (0.3, 0.4, 0.5, 0.55))

    def read(self) -> State:
        return {"value": self.client.get("config:fraud_threshold")}

    def set(self, state: State) -> None:
        self.client.set("config:fraud_threshold", state["value"])

    def want(self, base: State, parameters: dict[str, Any]) -> State | None:
        return {"value": f"{parameters['value']:.2f}"} if float(base["value"]) > parameters["value"] else None

    def strictest(self, states: list[State]) -> State:
        return min(states, key=lambda state: float(state["value"]))


@dataclass
class Replicas(Target):
    """A Deployment; no sum of these is another one of them."""

    kubernetes: Kubernetes
    action: ClassVar = "scale_backend"
    started_with: ClassVar = {"replicas": 2}
    operators: ClassVar = tuple({"replicas": number} for number in (0, 3, 12, 47, 31, 17))
    parameters: ClassVar = tuple({"add": add, "most": 33} for add in (2, 4, 5))

    def read(self) -> State:
        return {"replicas": self.kubernetes.replicas}

    def set(self, state: State) -> None:
        self.kubernetes.scale(state["replicas"])

    def want(self, base: State, parameters: dict[str, Any]) -> State | None:
        found = base["replicas"]
        most = parameters["most"]
        return {"replicas": min(found + parameters["add"], most)} if 0 < found < most else None

    def strictest(self, states: list[State]) -> State:
        return max(states, key=lambda state: int(state["replicas"]))
