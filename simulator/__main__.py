"""Entry point: ``python -m simulator``."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event

# Before the modules that need it.
try:
    import numpy  # noqa: F401
except ModuleNotFoundError:
    sys.exit("python -m simulator: needs numpy: pip install -e '.[simulator]'")

import psycopg2
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common import logs
from common.web_server import WebServer
from simulator import bulk, database, history, live, web
from simulator.clock import Clock
from simulator.control import Control
from simulator.instants import HOUR
from simulator.preset import FixedFigures, FixedWorld
from simulator.recorder import Recorder
from simulator.source import OrdinaryDays
from simulator.world import World

_LOG = logging.getLogger("simulator")
# The specification's windows are a day; the hour more is for the figures of one hour ago.
_PRESET_HOURS = 25.0


def main(arguments: list[str] | None = None) -> int:
    """Run the stand-in platform until SIGTERM or SIGINT; return the exit status."""
    options = _parser().parse_args(arguments)
    logs.set_up(options.log_level, "logfmt")
    dsn = _setting("POSTGRES_DSN", "host=127.0.0.1 dbname=ticketing")
    if options.bulk_rows:
        return _bulk(dsn, options.bulk_rows, options.rate_per_hour or bulk.PER_HOUR)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return _live(dsn, _setting("REDIS_URL", "redis://127.0.0.1:6379/0"), options, stop)


def _bulk(dsn: str, rows: int, per_hour: float) -> int:
    try:
        database.ensure_contract(dsn)
        bulk.bulk_load(dsn, rows, per_hour)
    except (psycopg2.Error, FileNotFoundError) as error:
        _LOG.error("bulk load failed: %s", live.describe(error))
        return 1
    return 0


def _live(dsn: str, redis_url: str, options: argparse.Namespace, stop: Event) -> int:
    real = Clock(0).now()
    hours = max(options.history_hours, _PRESET_HOURS) if options.preset else options.history_hours
    # Sped up, the history is not filled in but lived through.
    filled = hours if options.speed == 1.0 else 0.0
    clock = Clock(real - int((hours - filled) * HOUR), options.speed)
    world = (
        FixedWorld(FixedFigures(options.seed, real))
        if options.preset
        else World(OrdinaryDays(options.seed, options.rate_per_hour))
    )

    def start() -> Recorder:
        database.ensure_contract(dsn)
        if options.preset:
            # The history of any other world would be counted too.
            database.clear(dsn)
        recorder = history.resume(dsn, world, clock.now(), filled)
        _LOG.info("wrote %d predictions of the last %g hours", recorder.rows_written, filled)
        return recorder

    # One attempt a step: the loop has its own backoff, and must end within a second.
    client = Redis.from_url(
        redis_url, decode_responses=True, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    postgres = live.PostgresLoop(dsn, world, clock, start)
    redis_loop = live.RedisLoop(client, world, clock, postgres)
    application = web.Web(
        world, Control(world, clock), clock, lambda: postgres.recorder.rows_written if postgres.recorder else 0
    )
    try:
        port = WebServer(
            "ticketing-simulator", options.listen, application, threads=web.THREADS, largest_body=web.LARGEST_BODY
        ).start()
    except OSError as error:
        _LOG.error("cannot listen on %s: %s", options.listen, error)
        return 1
    _LOG.info("services listen on port %d", port)
    live.start_loop("PostgreSQL", postgres.step, live.POSTGRES_EVERY_SECONDS, stop)
    live.start_loop("Redis", redis_loop.step, live.REDIS_EVERY_SECONDS, stop)
    stop.wait()
    _LOG.info("ending")
    # Transactions in flight are rolled back by the server; nobody waits for a slow answer.
    logging.shutdown()
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A stand-in ticketing platform. POSTGRES_DSN and REDIS_URL say where it writes;"
        " POSTGRES_DSN_FILE and REDIS_URL_FILE name files that say it.",
    )
    parser.add_argument("--web.listen-address", dest="listen", default=":8030", type=_address)
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers")
    parser.add_argument("--history.hours", dest="history_hours", type=_hours, default=24.0)
    parser.add_argument(
        "--rate.per-hour", dest="rate_per_hour", type=_rate, help="constant, instead of the daily curve"
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="above 1: live through the history that many times faster"
    )
    parser.add_argument("--preset", choices=["blueprint"], help="show exactly the specification's figures")
    parser.add_argument("--bulk.rows", dest="bulk_rows", type=_count, help="load so many predictions and end")
    parser.add_argument("--log.level", dest="log_level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def _setting(name: str, default: str) -> str:
    """Return a setting from the file that ``NAME_FILE`` names, or from ``NAME``."""
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(name) or default


def _address(text: str) -> str:
    _, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("must be host:port or :port")
    return text


def _hours(text: str) -> float:
    return _number(text, 0.0, 24.0 * 400)


def _rate(text: str) -> float:
    return _number(text, 1.0, 1e6)


def _speed(text: str) -> float:
    return _number(text, 1.0, 1e4)


def _count(text: str) -> int:
    return int(_number(text, 1.0, 1e9))


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"must be a number from {least:g} to {most:g}")
    return number


if __name__ == "__main__":
    sys.exit(main())
