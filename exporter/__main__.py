"""The command `ticketing-exporter`."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from common import logs
from common.redis import check_url
from common.secret_text import SecretError, SecretText
from common.version import VERSION
from common.web_server import WebServer
from common.yaml_files import ConfigError
from exporter.app import NAME, Exporter
from exporter.config import load
from exporter.web.certificates import Certificates
from exporter.web.config import load_web_config
from exporter.web.landing import TELEMETRY_PATH
from exporter.web.routes import THREADS, Application

logger = logging.getLogger("exporter")

_M_ARENA_MAX = -8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    flags = command_line().parse_args(arguments)
    _share_one_heap()
    try:
        logs.set_up(flags.log_level, flags.log_format)
        if flags.config_check:
            load(flags.config_file, flags.platform_file)
            load_web_config(flags.web_config_file)
            files = (flags.config_file, flags.platform_file, flags.web_config_file)
            for file in [file for file in files if file] or ["defaults"]:
                print(f"{file}: valid")  # noqa: T201
            return 0
        postgres_dsn = _secret("POSTGRES_DSN", flags.postgres_dsn_file)
        redis_url = _secret("REDIS_URL", flags.redis_url_file)
        check_url(redis_url)
        if flags.contract_check:
            return _check(flags, postgres_dsn, redis_url)
        if flags.contract_draft:
            return _draft(flags.contract_draft, postgres_dsn, redis_url)
        if flags.contract_reference:
            return _reference(flags.contract_reference, postgres_dsn)
        return _serve(flags, postgres_dsn, redis_url)
    except (ConfigError, SecretError) as error:
        print(f"ticketing-exporter: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _secret(name: str, file: Path | None) -> SecretText:
    # The flag goes before the variable of the same meaning.
    return SecretText(name, {**os.environ, f"{name}_FILE": str(file)} if file else os.environ)


def _check(flags: argparse.Namespace, postgres_dsn: SecretText, redis_url: SecretText) -> int:
    from exporter.contract_check import check  # most of a megabyte that a server has no use for

    try:
        status = check(postgres_dsn, redis_url, load(flags.config_file, flags.platform_file), sys.stdout, flags.output)
        sys.stdout.flush()
    except BrokenPipeError:
        # Its reader, `head` perhaps, has seen enough. Python would try to write the rest at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _draft(directory: Path, postgres_dsn: SecretText, redis_url: SecretText) -> int:
    from exporter.contract_draft.command import draft  # that a server has no use for, either

    return draft(postgres_dsn, redis_url, directory, sys.stdout)


def _reference(bounds: Sequence[str], postgres_dsn: SecretText) -> int:
    from exporter.contract_draft.reference import period, reference

    try:
        asked = period(*bounds)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"--contract.reference: {error}") from None
    return reference(postgres_dsn, asked, sys.stdout, sys.stderr)


def _serve(flags: argparse.Namespace, postgres_dsn: SecretText, redis_url: SecretText) -> int:
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    # Before any thread starts: they inherit it, and the signals wait for sigwait below.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    web = load_web_config(flags.web_config_file)
    exporter = Exporter(load(flags.config_file, flags.platform_file), postgres_dsn=postgres_dsn, redis_url=redis_url)

    def reload() -> None:
        try:
            config, new_web = load(flags.config_file, flags.platform_file), load_web_config(flags.web_config_file)
            if (new_web.tls_server_config is None) != (web.tls_server_config is None):
                raise ConfigError(f"{flags.web_config_file}: tls_server_config: TLS is turned on and off by a restart")
        except ConfigError as error:
            logger.error("reload failed, the old configuration stays in force: %s", error)
            raise
        certificates.use(new_web, flags.web_config_file)
        application.use(new_web)
        exporter.apply(config)
        logger.info("configuration reloaded")

    try:
        application = Application(
            exporter, reload, web, lifecycle=flags.enable_lifecycle, telemetry_path=flags.web_telemetry_path
        )
    except ConfigError as error:
        raise ConfigError(f"--web.telemetry-path: {error}") from None
    certificates = Certificates(web, flags.web_config_file)
    tls = certificates.context if web.tls_server_config is not None else None
    server = WebServer(NAME, flags.web_listen_address, application, threads=THREADS, tls=tls)
    try:
        port = server.start()
    except OSError as error:
        raise ConfigError(f"--web.listen-address: {flags.web_listen_address}: {error}") from None
    exporter.start()
    logger.info("%s %s listens on port %d", NAME, VERSION, port)

    while signal.sigwait(signals) == signal.SIGHUP:
        try:
            reload()
        except ConfigError:
            continue  # logged above
    logger.info("stopping")
    server.stop()
    exporter.close()
    logging.shutdown()
    # A thread that hangs in a probe must not keep the process.
    os._exit(0)


def _share_one_heap() -> None:
    # glibc gives each thread a heap of its own, which costs some megabytes; under the interpreter's lock one will do.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def command_line() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog="ticketing-exporter",
        description="Prometheus exporter for NFT-ticketing platforms.",
        epilog="The variables POSTGRES_DSN and REDIS_URL take the connections themselves. They have no flag: everybody"
        " on the machine can read the command line of a process.",
    )
    add = parser.add_argument
    add(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        help="configuration: probes, rate limits, API (YAML)",
    )
    add(
        "--platform.file",
        dest="platform_file",
        type=Path,
        metavar="FILE",
        help="what the platform does not have (YAML)",
    )
    add(
        "--postgres.dsn-file",
        type=Path,
        metavar="FILE",
        dest="postgres_dsn_file",
        help="file with the connection string of PostgreSQL, read for each new connection; default: the variable"
        " POSTGRES_DSN_FILE",
    )
    add(
        "--redis.url-file",
        type=Path,
        metavar="FILE",
        dest="redis_url_file",
        help="file with the URL of Redis, read for each new connection; default: the variable REDIS_URL_FILE",
    )
    add("--config.check", dest="config_check", action="store_true", help="validate the files and exit")
    add(
        "--contract.check",
        dest="contract_check",
        action="store_true",
        help="compare the platform's views, keys and values with the contract and exit",
    )
    add("--output", default="text", choices=("text", "json"), help="how --contract.check answers; default: %(default)s")
    add(
        "--contract.draft",
        dest="contract_draft",
        type=Path,
        metavar="DIRECTORY",
        help="look at the platform's database, write a draft of the contract's files there and exit",
    )
    add(
        "--contract.reference",
        dest="contract_reference",
        nargs=2,
        metavar=("SINCE", "UNTIL"),
        help="print SQL that takes the features of that time for the active model's training distribution, and exit",
    )
    add(
        "--web.listen-address",
        dest="web_listen_address",
        default=":19877",
        metavar="HOST:PORT",
        help="where to listen; without a host on every address; default: %(default)s",
    )
    add(
        "--web.telemetry-path",
        dest="web_telemetry_path",
        default=TELEMETRY_PATH,
        metavar="PATH",
        help="where the metrics are; default: %(default)s",
    )
    add("--web.config.file", dest="web_config_file", type=Path, metavar="FILE", help="TLS and users (YAML)")
    add(
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        help="allow POST /-/reload to everybody; without it, it is for users alone",
    )
    logs.add_flags(parser)
    add("--version", action="version", version=f"ticketing-exporter {VERSION}", help="print the version and exit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
