"""Shell in docker-compose.yml, run with the programs of this machine."""

import subprocess
import time
from pathlib import Path

import pytest
import redis

from simulator.local.ports import free_port
from tests.compose.stack import services


@pytest.mark.parametrize("name", ["redis", "platform-redis"])
def test_redis_asks_for_its_password(tmp_path: Path, name: str) -> None:
    service, port = services()[name], free_port()
    secret = f"/run/secrets/{service['secrets'][0]}"
    (tmp_path / "password").write_text("a-long-password")

    def here(text: str) -> str:
        assert secret in text
        return text.replace(secret, str(tmp_path / "password"))

    *shell, script = service["entrypoint"]
    script = here(script).replace("redis-server - ", f"redis-server - --bind 127.0.0.1 --port {port} ")
    with subprocess.Popen([*shell, script], cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            client = redis.Redis(port=port, password="a-long-password", socket_timeout=2)
            deadline = time.monotonic() + 10
            while True:
                try:
                    assert client.ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port, socket_timeout=2).ping()
            health = service["healthcheck"]["test"][1]
            command = here(health).replace("redis-cli ", f"redis-cli -p {port} ")
            subprocess.run(["sh", "-c", command], check=True, timeout=10)
        finally:
            server.terminate()
