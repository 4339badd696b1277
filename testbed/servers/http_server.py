"""What the servers with an HTTP port share."""

from typing import ClassVar

import requests

from testbed.servers.server import Server


class HttpServer(Server):
    """A server on 127.0.0.1 that is ready as soon as one of its paths answers with success."""

    #: That path.
    ready_path: ClassVar[str]

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """See `Server.ready`."""
        try:
            return requests.get(f"{self.url}{self.ready_path}", timeout=2).ok
        except requests.RequestException:
            return False
