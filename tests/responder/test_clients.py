"""No client of the responder costs another its answer, and what it tells everybody holds no secret."""

from __future__ import annotations

import socket
import time

from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message
from tests.responder.process import ResponderProcess, wait_until


def test_silent_connections_cost_nobody_else_anything(start: Start) -> None:
    responder = start()
    silent = [socket.create_connection(("127.0.0.1", responder.port)) for _ in range(64)]
    began = time.monotonic()
    assert responder.get("/-/healthy", token=None).text == "Healthy\n"
    assert time.monotonic() - began < 0.5
    began = time.monotonic()
    assert responder.post(message(firing(FRAUD))).status_code == 202
    assert time.monotonic() - began < 1
    for connection in silent:
        connection.close()


def test_a_password_that_breaks_the_connection_string_is_not_shown(world: World) -> None:
    dsn = "postgresql://responder:Tr0ub4dor/3@127.0.0.1:5432/ticketing"
    with ResponderProcess(dsn, world.redis_url, world.config()) as responder:
        answer = responder.get("/-/ready", token=None)
        assert answer.status_code == 503
        assert "PostgreSQL: " in answer.text
        assert "Tr0ub" not in answer.text
        wait_until(lambda: "PostgreSQL: " in responder.log())
        assert "Tr0ub" not in responder.log()
