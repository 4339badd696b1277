"""Writes the files of one part, before it starts: `python -m contrib.aws.place PART`.

ECS hands secrets to a container as environment variables only. Only this container gets them; it writes them, and the
configuration, to volumes of the task that the part then mounts read-only, and ends. So each part finds the same files
as in docker-compose.yml, and has no secret in its environment.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from contrib.aws import configuration
from contrib.aws.configuration import Environment, MissingError
from gateway.settings import SettingsError

#: A variable of this prefix is a secret; the rest, in lower case, is the name of its file.
PREFIX = "SECRET_"
CA_FILE = "/etc/ticketing/rds-ca.pem"


def main(arguments: list[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Write configuration and secrets; the exit status is 0 when the part may start."""
    parser = argparse.ArgumentParser(prog="python -m contrib.aws.place", description=__doc__)
    parser.add_argument("part", choices=sorted(configuration.PARTS))
    parser.add_argument("--root", type=Path, default=Path("/place"), help="of the volumes; default: %(default)s")
    options = parser.parse_args(arguments)
    root: Path = options.root
    environment = Environment(environ)
    try:
        configuration.PARTS[options.part](environment, root / "config")
        write_secrets(options.part, environment, root)
    except (MissingError, SettingsError, OSError) as error:
        sys.stderr.write(f"{options.part}: not started: {error}\n")
        return 1
    for writable in ("tmp", "data"):
        if (root / writable).is_dir():
            (root / writable).chmod(0o1777)
    return 0


def write_secrets(part: str, environment: Environment, root: Path) -> None:
    """Write each secret to a file of its name; Alertmanager has its own beside its configuration.

    Raises:
        MissingError: A variable that a secret is put together from is not set.
    """
    directory = root / "config" / "secrets" if part == "alertmanager" else root / "secrets"
    found = {name.removeprefix(PREFIX).lower(): text for name, text in environment.items() if name.startswith(PREFIX)}
    for role in ("reader", "responder"):
        if f"platform_{role}_password" in found and part in ("exporter", "responder"):
            found[f"platform_{role}_dsn"] = dsn(
                f"monitoring_{role}", found.pop(f"platform_{role}_password"), environment
            )
    if "redis_password" in found:
        database, name = ("1", "gate_redis_url") if part == "gateway" else ("0", "platform_redis_url")
        found[name] = f"rediss://:{found.pop('redis_password')}@{environment['REDIS_ADDRESS']}/{database}"
    if part == "gateway":
        found["oauth2-proxy.cfg"] = configuration.gate(environment, found.pop("gate_redis_url"))
        directory.mkdir(parents=True, exist_ok=True)
        write_certificate(directory, environment["MONITORING_HOST"])
    for name, text in found.items():
        configuration.write(directory / name, text)


def dsn(user: str, password: str, environment: Environment) -> str:
    """Connection string to the platform's database, over TLS, with its certificate and name checked."""
    host, database = environment["POSTGRES_ADDRESS"], environment["POSTGRES_DATABASE"]
    return f"postgresql://{user}:{password}@{host}/{database}?sslmode=verify-full&sslrootcert={CA_FILE}"


def write_certificate(directory: Path, host: str) -> None:
    """Make a certificate for this one task: the load balancer encrypts to it, and asks for no name or signature."""
    key, certificate = directory / "tls_certificate_key", directory / "tls_certificate"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "3650", "-subj", f"/CN={host}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    key.chmod(0o444)
    certificate.chmod(0o444)


if __name__ == "__main__":
    sys.exit(main())
