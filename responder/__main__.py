"""The command `ticketing-responder`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import disable_created_metrics

from common import logs
from common.redaction import redactor
from common.redis import check_url
from common.secret_text import SecretError, SecretText
from common.version import VERSION
from common.web_server import WebServer
from common.yaml_files import ConfigError
from responder import commands, config, playbook_file, postgres
from responder.actions import actions, fields
from responder.actions.notify import has_buttons
from responder.actions.silence_alert import ALERTMANAGERS, ON_ACK, can_ack
from responder.app import NAME, Responder
from responder.config import Config
from responder.playbooks import Playbooks
from responder.web.auth import BearerToken
from responder.web.bodies import LARGEST_BODY
from responder.web.routes import THREADS, Application

logger = logging.getLogger("responder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if commands.is_command(arguments):
        return commands.main(arguments)
    flags = command_line().parse_args(arguments)
    try:
        logs.set_up(flags.log_level, flags.log_format)
        settings, playbooks = _load(flags)
        if flags.config_check:
            return _check(flags, settings, playbooks)
        return _serve(flags, settings, playbooks)
    except (ConfigError, SecretError) as error:
        print(f"ticketing-responder: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _load(flags: argparse.Namespace) -> tuple[Config, Playbooks]:
    return config.load(flags.config_file, fields()), playbook_file.load(flags.playbooks_file)


def _check(flags: argparse.Namespace, settings: Config, playbooks: Playbooks) -> int:
    token = SecretText("RESPONDER_TOKEN")
    if token.origin is not None:
        BearerToken(token).tokens()
    if (reading := _read_token()) is not None:
        reading.tokens()
    default = ", the default" if settings.prometheus == Config().prometheus else ""
    prometheus = redactor.redact(settings.prometheus.url) + default
    print(f"alerts of platform {settings.platform} are acted upon, of others refused")  # noqa: T201
    print(f"whether an incident is over is asked of Prometheus at {prometheus}")  # noqa: T201
    for missing in _unconfigured(settings, playbooks):
        print(f"warning: {missing}")  # noqa: T201
    print(f"{flags.config_file or 'defaults'}, {flags.playbooks_file or 'shipped playbooks'}: valid")  # noqa: T201
    return 0


def _serve(flags: argparse.Namespace, settings: Config, playbooks: Playbooks) -> int:
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    # Before any thread starts: they inherit it, and the signals wait for sigwait below.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    postgres.limit_waiting()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    redis_url = SecretText("REDIS_URL")
    check_url(redis_url)
    responder = Responder(settings, playbooks, postgres_dsn=SecretText("POSTGRES_DSN"), redis_url=redis_url)

    def reload() -> None:
        try:
            responder.apply(*_load(flags))
        except ConfigError as error:
            logger.error("reload failed, the old configuration stays in force: %s", error)
            raise
        logger.info("configuration reloaded")

    application = Application(responder, BearerToken(SecretText("RESPONDER_TOKEN"), _read_token()), reload)
    server = WebServer(
        NAME,
        flags.web_listen_address,
        application,
        threads=THREADS,
        largest_body=LARGEST_BODY,
        admits=application.admits,
    )
    try:
        port = server.start()
    except OSError as error:
        raise ConfigError(f"--web.listen-address: {flags.web_listen_address}: {error}") from None
    for missing in _unconfigured(settings, playbooks):
        logger.warning("%s", missing)
    responder.start()
    logger.info("ticketing-responder %s listens on port %d", VERSION, port)

    while signal.sigwait(signals) == signal.SIGHUP:
        try:
            reload()
        except ConfigError:
            continue  # logged above
    logger.info("stopping")
    server.stop()
    responder.close()
    logging.shutdown()
    # A thread that hangs in a call must not keep the process; the ledger has what is left.
    os._exit(0)


def _read_token() -> BearerToken | None:
    token = SecretText("RESPONDER_READ_TOKEN")
    return None if token.origin is None else BearerToken(token)


def _unconfigured(settings: Config, playbooks: Playbooks) -> Iterator[str]:
    """What playbooks, or people, ask for that will be skipped because the configuration does not say where it is."""
    if not can_ack(settings):
        yield f"ack: {ON_ACK.action} will be skipped: {ALERTMANAGERS.name} is not configured"
        yield f"an outage of Prometheus will end its alerts: {ALERTMANAGERS.name} is not configured"
    for playbook in playbooks.values():
        for step in (*playbook.on_firing, *playbook.on_end):
            for field in actions()[step.action].needs:
                if settings.get(field) is None:
                    yield f"{playbook.name}: {step.action} will be skipped: {field.name} is not configured"
            if step.approval is not None and step.approval.ways == ("chat",) and not has_buttons(settings):
                yield (
                    f"{playbook.name}: nobody can approve {step.action}: from is chat, and without its"
                    " signing_secret_file and people there are no buttons"
                )


def command_line() -> argparse.ArgumentParser:
    """The flags of the server."""
    parser = argparse.ArgumentParser(
        prog="ticketing-responder",
        description="Acts on alerts: Alertmanager's webhook → actions on the platform, each exactly once.",
        epilog="Variables: POSTGRES_DSN, REDIS_URL, RESPONDER_TOKEN and, for reading incidents only,"
        " RESPONDER_READ_TOKEN; or each with _FILE appended, for the name of a file that holds it."
        f" Commands for people: ticketing-responder {', '.join(commands.NAMES)}; each has --help.",
    )
    add = parser.add_argument
    add(
        "--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration: addresses and times (YAML)"
    )
    add(
        "--playbooks.file",
        dest="playbooks_file",
        type=Path,
        metavar="FILE",
        help="playbooks: what to do on which alert (YAML); default: those that are shipped",
    )
    add("--config.check", dest="config_check", action="store_true", help="validate the files and the tokens and exit")
    add(
        "--web.listen-address",
        dest="web_listen_address",
        default=":19878",
        metavar="HOST:PORT",
        help="where to listen; without a host on every address; default: %(default)s",
    )
    logs.add_flags(parser)
    add("--version", action="version", version=f"ticketing-responder {VERSION}", help="print the version and exit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
