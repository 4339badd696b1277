"""The platform's services and the control endpoint, on one HTTP port."""

import json
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

import numpy as np

from simulator import transactions
from simulator.clock import Clock
from simulator.control import Control, ControlError
from simulator.instants import SECOND, moment
from simulator.world import World
from testbed.counterparts import ecs
from testbed.counterparts.kubernetes import Kubernetes
from testbed.counterparts.profiler import Profiler
from testbed.counterparts.server import Counterpart, Reply, read, send
from testbed.counterparts.siem import Siem
from testbed.counterparts.taxii import Taxii

LARGEST_BODY = 1 << 20
THREADS = 32
_BLOCK_SECONDS = 12
_CHAIN_ID = 137
_FIRST_BLOCK_AT = 1_590_824_836  # unix seconds at which the chain of the demo has its block 0

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class HttpError(Exception):
    """An answer other than 200."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Web:
    """WSGI application of all services.

    ``GET /health``, ``POST /api/v1/ml/predict/fraud`` (the backend), ``GET /ml/health``, ``POST /rpc`` (JSON-RPC
    2.0), ``GET /siem/health``, ``GET /control/episodes``, ``POST|DELETE /control/episodes/{name}``, ``GET /``
    (status), and what the responder acts upon: see `testbed.counterparts`.
    """

    def __init__(self, world: World, control: Control, clock: Clock, rows_written: Callable[[], int]) -> None:
        self._world = world
        self._control = control
        self._clock = clock
        self._rows_written = rows_written
        self._rng = np.random.default_rng()  # latencies of live answers need not repeat
        self._rng_lock = Lock()
        siem = Siem()
        # By what their paths begin with, and the service that has to be up for them.
        self._counterparts: dict[str, tuple[str | None, Counterpart]] = {
            "/siem/events": ("siem", siem),
            "/siem/incidents": ("siem", siem),
            "/debug/pprof/": ("backend", Profiler()),
            "/apis/": (None, Kubernetes()),
            ecs.PATH: (None, ecs.Ecs()),
            "/taxii2/": (None, Taxii()),
        }
        self._routes: dict[tuple[str, str], tuple[str | None, Callable[[Environ], Any]]] = {
            ("GET", "/"): (None, self._status),
            ("GET", "/health"): ("backend", lambda _: {"status": "ok"}),
            ("POST", "/api/v1/ml/predict/fraud"): ("prediction", self._predict),
            ("GET", "/ml/health"): ("ml", lambda _: {"status": "ok", "model": "xgboost"}),
            ("POST", "/rpc"): ("rpc", self._rpc),
            ("GET", "/siem/health"): ("siem", lambda _: {"status": "ok"}),
            ("GET", "/control/episodes"): (None, lambda _: self._control.listing()),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            for prefix, (service, counterpart) in self._counterparts.items():
                if environ["PATH_INFO"].startswith(prefix):
                    return send(self._counterpart(service, counterpart, environ), start_response)
            status, answer = "200 OK", self._answer(environ)
        except HttpError as error:
            status, answer = error.status, {"error": str(error)}
        except ControlError as error:
            status, answer = "400 Bad Request", {"error": str(error)}
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _counterpart(self, service: str | None, counterpart: Counterpart, environ: Environ) -> Reply:
        if service is not None:
            self._behave(service)
        request = read(environ)
        return counterpart.answer(request) or Reply.of_json(404, {"error": f"no {request.path}"})

    def _answer(self, environ: Environ) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith("/control/episodes/"):
            return self._episode(method, path.removeprefix("/control/episodes/"), environ)
        if (method, path) not in self._routes:
            if any(known == path for _, known in self._routes):
                raise HttpError("405 Method Not Allowed", f"{path} does not take {method}")
            raise HttpError("404 Not Found", f"no {path}")
        service, handler = self._routes[method, path]
        if service is not None:
            self._behave(service)
        return handler(environ)

    def _behave(self, service: str) -> None:
        """Answer as slowly as the service does now, or not at all."""
        conditions = self._world.conditions(self._clock.now())
        if conditions.is_down(service):
            raise HttpError("503 Service Unavailable", f"{service} is down")
        with self._rng_lock:
            seconds = conditions.latency_seconds(service, self._rng)
        time.sleep(seconds)

    def _status(self, _environ: Environ) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "now": moment(now).isoformat(),
            "episodes": [e.name for e in self._world.episodes if e.starts_at <= now < e.ends_at],
            "predictions_written": self._rows_written(),
        }

    def _episode(self, method: str, name: str, environ: Environ) -> dict[str, Any]:
        if method == "POST":
            overrides = _body(environ)
            if not isinstance(overrides, dict):
                raise HttpError("400 Bad Request", "the body must be a JSON object")
            return self._control.start(name, overrides)
        if method == "DELETE":
            return {"stopped": self._control.stop(name)}
        raise HttpError("405 Method Not Allowed", f"an episode does not take {method}")

    def _predict(self, environ: Environ) -> dict[str, Any]:
        _body(environ)
        with self._rng_lock:
            row = transactions.draw(self._rng, np.array([self._clock.now()]))
        return {
            "transaction_id": str(row["transaction_id"][0]),
            "fraud_score": float(row["score"][0]),
            "decision": transactions.decisions(row, transactions.REVIEW_THRESHOLD, self._world.block_threshold)[0],
        }

    def _rpc(self, environ: Environ) -> dict[str, Any]:
        call = _body(environ)
        if not isinstance(call, dict) or "method" not in call:
            return _rpc_error(None, -32600, "Invalid Request")
        head = int(self._clock.now() / SECOND - _FIRST_BLOCK_AT) // _BLOCK_SECONDS
        results = {
            "eth_blockNumber": hex(head),
            "eth_chainId": hex(_CHAIN_ID),
            "net_version": str(_CHAIN_ID),
            "eth_syncing": False,
        }
        if call["method"] not in results:
            return _rpc_error(call.get("id"), -32601, "the method does not exist")
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": results[call["method"]]}


def _body(environ: Environ) -> Any:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > LARGEST_BODY:
        raise HttpError("413 Content Too Large", "at most 1 MiB")
    raw = environ["wsgi.input"].read(length) if length else b""
    try:
        return json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise HttpError("400 Bad Request", "the body is not JSON") from error


def _rpc_error(identifier: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": message}}
