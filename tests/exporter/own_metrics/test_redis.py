"""Plain reads of Redis keys."""

from __future__ import annotations

import redis

from tests.exporter.own_metrics.running import Running

READS = """
metrics:
  - name: reads
    section: health
    from: redis
    values:
      number: {command: GET, key: number, factor: 0.01, help: Number.}
      field: {command: HGET, key: hash, field: a, help: Field.}
      fields: {command: HLEN, key: hash, help: Fields.}
      queue: {command: LLEN, key: queue, help: Queue.}
      members: {command: SCARD, key: members, help: Members.}
      waiting: {command: ZCARD, key: waiting, help: Waiting.}
      stream: {command: XLEN, key: stream, help: Stream.}
"""


def test_numbers_and_lengths(running: Running, redis_client: redis.Redis) -> None:
    running.start(READS)
    # Redis has no empty ones: no list is a list of none.
    lengths = {"fields": 0, "queue": 0, "members": 0, "waiting": 0, "stream": 0}
    assert running.own("health") == lengths
    redis_client.set("number", "1234")
    redis_client.hset("hash", mapping={"a": "1.5", "b": "x"})
    redis_client.rpush("queue", "a", "b", "c")
    redis_client.sadd("members", "a")
    redis_client.zadd("waiting", {"a": 1, "b": 2})
    redis_client.xadd("stream", {"a": "1"})
    assert running.own("health") == {
        "number": 12.34, "field": 1.5, "fields": 2, "queue": 3, "members": 1, "waiting": 2, "stream": 1
    }  # fmt: skip


def test_a_wrong_value_costs_itself(running: Running, redis_client: redis.Redis) -> None:
    running.start(READS)
    redis_client.set("number", "NaN")
    redis_client.hset("hash", "a", "many")
    redis_client.set("queue", "x")
    assert set(running.own("health")) == {"fields", "members", "waiting", "stream"}
    status = running.status("own_reads")
    assert not status.success
    assert [problem.partition(":")[0] for problem in status.problems] == [
        "key hash, field a",
        "key number",
        "key queue",
    ]
    assert running.status("health").success
