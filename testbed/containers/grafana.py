"""In place of Grafana, for `make test-compose`: says who asks, and answers its health check."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Page(BaseHTTPRequestHandler):
    """The path that is asked for, and the headers that came with it."""

    def do_GET(self) -> None:
        """Answer with what was asked; nothing leaves this server."""
        Path("/var/lib/grafana/asked").write_text(self.path, encoding="utf-8")  # as a database that must be writable
        metrics = self.path.endswith("/metrics")
        text = "" if metrics else json.dumps({"grafana": "stand-in", "path": self.path, "headers": dict(self.headers)})
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4" if metrics else "application/json")
        self.end_headers()
        self.wfile.write(text.encode())


for secret in ("grafana_oidc_secret", "grafana_secret_key", "platform_reader_password"):
    Path("/run/secrets", secret).read_text(encoding="utf-8")
ThreadingHTTPServer(("", 3000), Page).serve_forever()
