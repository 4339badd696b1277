"""Renders the gateway's configuration: `python -m gateway` (or `make gateway`).

Variables come from the environment and from .env; see .env.example. The exit status is 0 when the result is fit to run.
"""

import argparse
import os
import sys
from pathlib import Path

from gateway.render import render, weaknesses
from gateway.settings import ROOT, Settings, SettingsError

#: Of the exporter: what they ask the gateway for has its name in it.
PROBES = tuple(ROOT / "deploy" / "compose" / name for name in ("exporter.yml", "exporter-demo.yml"))


def main(arguments: list[str] | None = None) -> int:
    """Render, check, say what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--env-file", type=Path, default=ROOT / ".env", help="default: %(default)s")
    parser.add_argument("--secrets", type=Path, default=ROOT / "secrets", help="directory; default: %(default)s")
    parser.add_argument("--output", type=Path, default=ROOT / "gateway" / "rendered", help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        secrets = [
            (options.secrets / name).read_text(encoding="utf-8").strip()
            for name in ("redis_password", "responder_read_token")
        ]
        settings = Settings.from_environment({**env_file(options.env_file), **os.environ})
        render(settings.placeholders(*secrets), options.output)
    except FileNotFoundError as error:
        sys.stderr.write(f"refused: {error.filename} is missing: run make secrets first\n")
        return 1
    except SettingsError as error:
        sys.stderr.write(f"refused: {error}\n")
        return 1
    found = list(weaknesses(options.output))
    sys.stderr.writelines(f"refused: {text}\n" for text in found)
    if not found:
        sys.stdout.write(f"{options.output}: https://{settings.monitoring_host}/admin/monitoring/, ")
        sys.stdout.write(f"open to {settings.allowed_networks}\n")
    for file in PROBES:
        if f"//{settings.monitoring_host}:" not in file.read_text(encoding="utf-8"):
            sys.stderr.write(f"warning: {file}: the probe gateway has another host name: it will say DOWN\n")
    return 1 if found else 0


def env_file(path: Path) -> dict[str, str]:
    """The variables of a file of Docker Compose: `NAME=value` lines, comments, optional quotes."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            value = value.strip()
            quoted = value[:1] in "'\"" and value[-1:] == value[:1] and len(value) > 1
            found[name.strip()] = value[1:-1] if quoted else value.partition(" #")[0].strip()
    return found


if __name__ == "__main__":
    sys.exit(main())
