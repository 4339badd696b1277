"""Probed services misbehave; scrapes and the other probes go on."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import trustme

from tests.exporter.faults.platform_double import FAULT_SECONDS
from tests.exporter.faults.series import PARTS, series, successes, value
from tests.exporter.faults.services import BEHAVIOURS, NO_BLOCKS, Behaviour, Service, good
from tests.exporter.process import ExporterProcess, Samples, wait_until

PROBES: Mapping[str, tuple[str, Behaviour]] = {
    **{f"http-{name}": ("http", behaviour) for name, behaviour in BEHAVIOURS.items()},
    **{f"https-{name}": ("https", behaviour) for name, behaviour in BEHAVIOURS.items()},
    **{f"json-rpc-{name}": ("json-rpc", behaviour) for name, behaviour in {**BEHAVIOURS, **NO_BLOCKS}.items()},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Settings for a TLS server, and the file that makes a client trust it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, file


@pytest.fixture(scope="module")
def services(authority: tuple[ssl.SSLContext, Path]) -> Iterator[dict[str, Service]]:
    """One for each probe, which tests may change."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Service(behaviour, authority[0] if kind == "https" else None))
            for name, (kind, behaviour) in PROBES.items()
        }


@pytest.fixture(scope="module")
def exporter(
    services: dict[str, Service],
    authority: tuple[ssl.SSLContext, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ExporterProcess]:
    lines = ["probes:"]
    for name, service in services.items():
        kind = PROBES[name][0]
        settings = f"kind: {kind}, url: 'http://127.0.0.1:{service.port}/'"
        if kind == "https":
            settings = f"kind: http, url: 'https://127.0.0.1:{service.port}/', ca_file: '{authority[1]}'"
        lines.append(f"  {name}: {{{settings}, interval: 500ms, timeout: 400ms, baseline: 100ms}}")
    config = tmp_path_factory.mktemp("probes") / "exporter.yml"
    config.write_text("\n".join(lines))
    with ExporterProcess({}, [f"--config.file={config}"]) as exporter:
        yield exporter


def scrape(exporter: ExporterProcess) -> Samples:
    """Health alone: the others have no sources here."""
    samples = exporter.scrape(FAULT_SECONDS, ["health"])
    assert successes(samples) == {"health": True}
    return samples


def wait_for_all(exporter: ExporterProcess, success: bool) -> None:
    """Wait until this is the result of every probe, all of which are there throughout."""
    others: set[str] = set(PROBES)

    def arrived() -> bool:
        samples = scrape(exporter)
        results = {name: value(samples, "ticketing_probe_success", probe=name) for name in PROBES}
        others.intersection_update(name for name, result in results.items() if result != success)
        return not others

    wait_until(arrived, 15, f"success {success} of {others}")


def test_failure_and_recovery(exporter: ExporterProcess, services: dict[str, Service]) -> None:
    """Whatever is wrong with the service, the probe says so, and that it is over when it is over."""
    wait_for_all(exporter, success=False)
    assert series(scrape(exporter)) == PARTS["health/probes"]
    for service in services.values():
        service.behaviour = good
    wait_for_all(exporter, success=True)
    for name, service in services.items():
        service.behaviour = PROBES[name][1]
    wait_for_all(exporter, success=False)


def test_whole_scrape_beside_failing_probes(exporter: ExporterProcess) -> None:
    """Without sources every other section fails, in time."""
    wait_for_all(exporter, success=False)
    samples = exporter.scrape(FAULT_SECONDS)
    assert {section for section, success in successes(samples).items() if success} == {"health"}
    assert series(samples) == PARTS["health/probes"]


def test_tries_that_hang_do_not_pile_up(exporter: ExporterProcess) -> None:
    process = psutil.Process(exporter.pid)
    seen: set[float | None] = set()

    def tried_often() -> bool:
        seen.add(value(scrape(exporter), "ticketing_probe_timestamp_seconds", probe="http-drips-body"))
        # The loop, the try and its timer; besides, the threads that serve and those of the sections.
        assert process.num_threads() <= 3 * len(PROBES) + 40
        assert process.num_fds() <= 4 * len(PROBES) + 40
        return len(seen) > 5

    wait_until(tried_often, what="more tries")


def test_tcp_probe(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    with Service(good) as service:
        config.write_text(
            f"probes: {{tcp: {{kind: tcp, address: '127.0.0.1:{service.port}', interval: 250ms, timeout: 250ms}}}}"
        )
        with ExporterProcess({}, [f"--config.file={config}"]) as exporter:

            def success() -> float | None:
                return value(scrape(exporter), "ticketing_probe_success", probe="tcp")

            wait_until(lambda: success() == 1, what="the port is open")
            service.server_close()
            wait_until(lambda: success() == 0, what="the port is closed")
