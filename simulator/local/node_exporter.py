"""A node_exporter: CPU, memory and disks of this machine."""

from collections.abc import Sequence

import requests

from simulator.local.server import Server


class NodeExporter(Server):
    """node_exporter on 127.0.0.1 with its default collectors."""

    name = "node-exporter"

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}"]

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/", timeout=2).ok
        except requests.RequestException:
            return False
