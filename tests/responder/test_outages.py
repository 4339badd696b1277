"""The ledger's database hangs, dies and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from simulator.local.postgres import Postgres
from simulator.local.redis import Redis
from tests.contract.applying import small_database
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import ResponderProcess, wait_until
from tests.responder.sql import rows


def test_a_database_that_hangs_costs_no_more_than_its_time_limit(
    own_postgres: Callable[[], Postgres], redis_server: Redis
) -> None:
    postgres = own_postgres()
    database = small_database(postgres, "outages")
    rows(database.dsn, "INSERT INTO platform.admin_accounts (account) VALUES ('alice.ops')")

    def locked() -> bool:
        return bool(rows(database.dsn, "SELECT 1 FROM platform.admin_accounts WHERE locked_at IS NOT NULL"))

    with ResponderProcess(database.responder_dsn, redis_server.url()) as responder:
        wait_until(responder.ready)
        postgres.suspend()
        began = time.monotonic()
        with ThreadPoolExecutor() as at_once:
            told = at_once.submit(responder.post, message(firing(ADMIN)), timeout=20)
            ready = at_once.submit(responder.get, "/-/ready", token=None)
            up = at_once.submit(responder.metric, "ticketing_responder_ledger_up")
            assert (told.result().status_code, ready.result().status_code, up.result()) == (503, 503, 0)
        assert time.monotonic() - began < 15
        postgres.resume()
        wait_until(lambda: responder.post(message(firing(ADMIN))).status_code == 202)
        wait_until(locked)
        postgres.kill9()
        assert responder.post(message(firing(ADMIN))).status_code == 503
        postgres.start()
        wait_until(lambda: responder.post(message(firing(ADMIN))).status_code == 202)
        assert responder.incident()["state"] == "open"
