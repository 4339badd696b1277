"""Fills the templates and refuses a result that lets in whom it should not."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from gateway.grafana import merged
from gateway.grafana import weaknesses as grafana_weaknesses
from gateway.realm import weaknesses as realm_weaknesses

TEMPLATES = Path(__file__).parent / "templates"
#: Grafana's settings that are the same everywhere; those of the template win.
GRAFANA_BASE = Path(__file__).parents[1] / "grafana" / "grafana.ini"

_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


def render(placeholders: Mapping[str, str], target: Path) -> None:
    """Write every template, with its placeholders filled, to a directory.

    Raises:
        KeyError: A template has a placeholder without a value.
    """
    # oauth2-proxy.cfg holds the password of its Redis, report.inc a token: the directory is closed, what is in it is
    # open to the users of the containers that it is mounted into.
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for template in sorted(file for file in TEMPLATES.rglob("*") if file.is_file()):
        text = _PLACEHOLDER.sub(lambda match: placeholders[match[1]], template.read_text(encoding="utf-8"))
        if template.name == "grafana.ini":
            text = merged(GRAFANA_BASE, text)
        written = target / template.relative_to(TEMPLATES)
        if not written.parent.exists():
            written.parent.mkdir()
            written.parent.chmod(0o755)  # whatever the umask
        written.write_text(text, encoding="utf-8")
        written.chmod(0o644)


def weaknesses(directory: Path) -> Iterator[str]:
    """What is wrong with a rendered directory: of the realm, of Grafana's settings, of nginx's syntax."""
    yield from (f"realm.json: {text}" for text in realm_weaknesses(json.loads((directory / "realm.json").read_text())))
    yield from (f"grafana.ini: {text}" for text in grafana_weaknesses((directory / "grafana.ini").read_text()))
    if nginx_program():
        yield from (f"nginx.conf: {text}" for text in _nginx_complaints(directory))


def nginx_program() -> str | None:
    """Path of nginx where it is installed; Debian's directory for it is not on everybody's search path."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@cache
def _installed_version() -> tuple[int, ...]:
    told = subprocess.run([nginx_program() or "nginx", "-v"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"/(\d+)\.(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else (0,)


def for_installed_nginx(text: str) -> str:
    """A rendered nginx.conf as the installed nginx reads it: before 1.25.1 `http2` was a word of `listen`."""
    if _installed_version() >= (1, 25, 1):
        return text
    return re.sub(r"(listen \S+ ssl)([^;]*;)\n *http2 on;", r"\1 http2\2", text)


def _nginx_complaints(directory: Path) -> Iterator[str]:
    """What `nginx -t` refuses, with a certificate and paths of its own."""
    with tempfile.TemporaryDirectory() as own:
        shutil.copytree(directory / "nginx", own, dirs_exist_ok=True)
        config = Path(own) / "nginx.conf"
        text = re.sub(r"(?m)^ +ssl_certificate(_key)? .*;\n", "", config.read_text())
        text = re.sub(r"(?m)^( *(?:pid|\w+_temp_path)) \S+/", rf"\1 {own}/", text)
        config.write_text(for_installed_nginx(text).replace("/dev/stdout", f"{own}/access.log"))
        command = [nginx_program() or "nginx", "-t", "-q", "-e", "stderr", "-c", str(config), "-p", own]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        for line in result.stderr.splitlines():
            # Without the certificate it says so, and nothing else should be left.
            if "[emerg]" in line and "ssl_certificate" not in line:
                yield line.partition("[emerg] ")[2].replace(own, "gateway/rendered/nginx")
