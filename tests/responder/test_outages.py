"""The ledger's database hangs, dies and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
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


def test_the_process_is_seen_to_live_while_everything_else_hangs(
    own_postgres: Callable[[], Postgres], own_redis: Callable[[], Redis]
) -> None:
    """A responder that is restarted because its databases hang forgets what it knew, and helps nobody."""
    postgres, redis = own_postgres(), own_redis()
    database = small_database(postgres, "outages")
    until = threading.Event()
    with ResponderProcess(database.responder_dsn, redis.url()) as responder:
        wait_until(responder.ready)

        def ask_again_and_again(path: str) -> int:
            asked = 0
            while not until.is_set():
                if path == "/alerts":
                    responder.post(message(firing(ADMIN)), timeout=20)
                else:
                    responder.get(path)
                asked += 1
            return asked

        def takes() -> float:
            began = time.monotonic()
            assert responder.get("/-/healthy", token=None).ok
            return time.monotonic() - began

        postgres.suspend()
        redis.suspend()
        with ThreadPoolExecutor(96) as clients:
            paths = ("/alerts", "/incidents", "/metrics", "/-/ready")
            asked = [clients.submit(ask_again_and_again, path) for path in paths for _ in range(24)]
            # Longer than the switch in Redis is not asked for after it has not answered.
            deadline = time.monotonic() + 8
            taken = []
            while time.monotonic() < deadline:
                taken.append(takes())
            until.set()
            postgres.resume()
            redis.resume()
            assert all(one.result() for one in asked)
        # Redis has a second for an answer, and another one for the second try.
        # Most of them: a busy machine delays one now and then.
        assert sorted(taken)[len(taken) * 9 // 10] < 1


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    own_postgres: Callable[[], Postgres], redis_server: Redis
) -> None:
    postgres = own_postgres()
    database = small_database(postgres, "outages")
    postgres.stop()
    with ResponderProcess(database.responder_dsn, redis_server.url()) as responder:
        wait_until(lambda: "Connection refused" in responder.log(), what=responder.log)
        time.sleep(3)  # every worker and the verifier try more than once
        assert responder.log().count("Connection refused") == 1
        assert "PostgreSQL answers again" not in responder.log()
        postgres.start()
        wait_until(lambda: "PostgreSQL answers again" in responder.log(), what=responder.log)
        responder.post(message(firing(ADMIN)))
        responder.settled()
        assert responder.log().count("PostgreSQL answers again") == 1


def test_another_reason_is_logged_although_the_outage_goes_on(
    own_postgres: Callable[[], Postgres], redis_server: Redis
) -> None:
    postgres = own_postgres()
    database = small_database(postgres, "outages")
    rows(database.dsn, "ALTER TABLE monitoring.responder_actions RENAME attempts TO elsewhere")
    with ResponderProcess(database.responder_dsn, redis_server.url()) as responder:
        wait_until(lambda: "does not exist" in responder.log(), what=responder.log)
        time.sleep(2)  # the verifier, which does not need it, is content
        assert responder.log().count("does not exist") == 1
        postgres.stop()
        wait_until(lambda: "Connection refused" in responder.log(), what=responder.log)
        postgres.start()
        wait_until(responder.ready)
        time.sleep(2)
        assert "PostgreSQL answers again" not in responder.log()
        rows(database.dsn, "ALTER TABLE monitoring.responder_actions RENAME elsewhere TO attempts")
        wait_until(lambda: "PostgreSQL answers again" in responder.log(), what=responder.log)
