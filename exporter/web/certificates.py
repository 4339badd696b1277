"""The TLS settings in force, as of the files that are there now."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from common.yaml_files import ConfigError
from exporter.web.config import TlsServerConfig, WebConfig, ssl_context

logger = logging.getLogger(__name__)


class Certificates:
    """Takes up a renewed certificate, key or list of authorities with the next connection.

    Args:
        web: names the files.
        path: of the web configuration file; they are relative to it.

    Raises:
        ConfigError: they cannot be used.
    """

    def __init__(self, web: WebConfig, path: Path | None) -> None:
        self.use(web, path)

    def use(self, web: WebConfig, path: Path | None) -> None:
        """Take these instead.

        Raises:
            ConfigError: they cannot be used; those before stay in force.
        """
        found = ssl_context(web, path)
        if found is None or web.tls_server_config is None or path is None:
            return
        self._web, self._path, self._context = web, path, found
        self._versions = _versions(web.tls_server_config, path)

    def context(self) -> ssl.SSLContext:
        """For the next connection; a renewal that is half done, or cannot be used, changes nothing."""
        config = self._web.tls_server_config
        if config is None or (versions := _versions(config, self._path)) == self._versions:
            return self._context
        try:
            self.use(self._web, self._path)
            logger.info("%s: certificates renewed", self._path)
        except ConfigError as error:
            # Said once for each state of the files.
            self._versions = versions
            logger.error("certificates not reloaded, the old ones stay in force: %s", error)
        return self._context


def _versions(config: TlsServerConfig, path: Path) -> list[tuple[int, int, int] | None]:
    versions: list[tuple[int, int, int] | None] = []
    for file in (config.cert_file, config.key_file, config.client_ca_file):
        try:
            found = (path.parent / file).stat() if file else None
        except OSError:
            found = None
        versions.append((found.st_ino, found.st_size, found.st_mtime_ns) if found else None)
    return versions
