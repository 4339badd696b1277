"""What the URL may say, on a real Redis."""

from __future__ import annotations

import pytest

from common.deadline import Deadline
from common.secret_text import SecretText
from exporter.sources.redis import RedisError, RedisSource
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


@pytest.mark.parametrize("query", ["Kq7aa=x", "socket_timeout=Kq7aa"], ids=["unknown", "no number"])
def test_an_option_that_does_not_exist_is_refused_and_not_quoted(redis_server: Redis, query: str) -> None:
    url = f"{redis_server.url()}?{query}"
    source = RedisSource(SecretText("REDIS_URL", {"REDIS_URL": url}), "test")
    with pytest.raises(RedisError, match="the URL is not valid, or an option") as refusal:
        complete(source.read([("PING",)], Deadline(5)))
    assert "Kq7aa" not in str(refusal.value)


@pytest.mark.parametrize("url", ["redis://:1234#Secret9@localhost", "redis://:1234?Secret9=x@localhost"])
def test_pieces_of_a_password_that_was_not_encoded_are_not_shown(url: str) -> None:
    source = RedisSource(SecretText("REDIS_URL", {"REDIS_URL": url}), "test")
    with pytest.raises(RedisError) as refusal:
        complete(source.read([("PING",)], Deadline(5)))
    assert not [piece for piece in ("1234", "Secret9") if piece in str(refusal.value)]


@pytest.mark.parametrize("url", ["redis://:Kq7aa/x9@cache:6379", "redis://:Kq7aa?x9@cache", "http://:Kq7aa@cache"])
def test_an_invalid_redis_url_is_not_quoted(url: str) -> None:
    source = RedisSource(SecretText("REDIS_URL", {"REDIS_URL": url}), "test")
    with pytest.raises(RedisError) as refusal:
        complete(source.read([("PING",)], Deadline(5)))
    assert "the URL is not valid" in str(refusal.value)
    assert "Kq7aa" not in str(refusal.value)
