"""What the URL may say, on a real Redis."""

from __future__ import annotations

from common.deadline import Deadline
from common.secret_text import SecretText
from exporter.sources.redis import RedisSource
from exporter.waiting import complete
from testbed.servers.redis import Redis


def test_options_of_the_url_do_not_change_the_shape_of_answers(redis_server: Redis) -> None:
    url = f"{redis_server.url()}?protocol=3&decode_responses=no&socket_timeout=30"
    source = RedisSource(SecretText("REDIS_URL", {"REDIS_URL": url}), "test")
    writer = redis_server.client()
    writer.zadd("shape", {"client": 7})
    try:
        answers = complete(source.read([("ZRANGE", "shape", "0", "-1", "WITHSCORES")], Deadline(5)))
    finally:
        source.close()
        writer.delete("shape")
        writer.close()
    assert answers == [["client", "7"]]
