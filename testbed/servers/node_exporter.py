"""A node_exporter: CPU, memory and disks of this machine."""

from collections.abc import Sequence

from testbed.servers.http_server import HttpServer


class NodeExporter(HttpServer):
    """node_exporter on 127.0.0.1 with its default collectors."""

    name = "node-exporter"
    ready_path = "/"

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}"]
