"""What the tests of probes share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.exporter.probes.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
