"""No client of the responder costs another its answer, and what it tells everybody holds no secret."""

from __future__ import annotations

import threading
from functools import partial
from itertools import count

import psycopg2
import pytest

from tests.common.crowd import crowd
from tests.common.timing import usual_seconds
from tests.responder.conftest import Start, World
from tests.responder.messages import FRAUD, firing, message
from tests.responder.process import ResponderProcess, wait_until


def alive(responder: ResponderProcess) -> None:
    assert responder.get("/-/healthy", token=None).status_code == 200


def takes_an_alert(responder: ResponderProcess, numbers: count[int]) -> None:
    """A new one each time."""
    assert responder.post(message(firing({**FRAUD, "region": str(next(numbers))}))).status_code == 202


def test_silent_and_dripping_connections_cost_nobody_else_anything(start: Start) -> None:
    responder = start()
    with crowd(responder.port):
        assert usual_seconds(partial(alive, responder)) < 0.5
        assert usual_seconds(partial(takes_an_alert, responder, count())) < 1


def test_it_is_alive_while_the_ledger_is_locked_and_all_wait_for_it(world: World, start: Start) -> None:
    responder = start()
    many = 60
    connection = psycopg2.connect(world.database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE monitoring.responder_incidents IN ACCESS EXCLUSIVE MODE")
        statuses: list[int] = []

        def wait(number: int) -> None:
            match number % 4:
                case 0 | 1:
                    answer = responder.post(message(firing({**FRAUD, "region": str(number)})))
                case 2:
                    answer = responder.get("/metrics", token=None)
                case _:
                    answer = responder.get("/-/ready", token=None)
            statuses.append(answer.status_code)

        waiting = [threading.Thread(target=wait, args=(number,)) for number in range(many)]
        for thread in waiting:
            thread.start()
        assert usual_seconds(partial(alive, responder), 10) < 0.5
        assert len(statuses) < many  # or nobody had waited
        for thread in waiting:
            thread.join()
        assert set(statuses) == {200, 503}
    connection.close()
    wait_until(responder.ready)
    assert responder.post(message(firing(FRAUD))).status_code == 202


@pytest.mark.parametrize(
    "password", ["Tr0ub4dor/3", "4711/Tr0ub", "Tr0ub@4711/x", "x@Tr0ub", "Tr0ub?4711/@3", "Tr0ub%"]
)
def test_a_password_that_breaks_the_connection_string_is_not_shown(world: World, password: str) -> None:
    dsn = f"postgresql://responder:{password}@127.0.0.1:5432/ticketing"
    with ResponderProcess(dsn, world.redis_url, world.config()) as responder:
        answer = responder.get("/-/ready", token=None)
        assert answer.status_code == 503
        assert "PostgreSQL: " in answer.text
        wait_until(lambda: "PostgreSQL: " in responder.log())
        for shown in (answer.text, responder.log()):
            assert "Tr0ub" not in shown
            assert "4711" not in shown
