"""The scraper: a process of its own, so that its own work is not the exporter's; a job on stdin, a result on stdout.

It does what Prometheus does (kept-alive connections, gzip, the timeout in a header) and as little as possible
besides: bytes are parsed only as far as the end of an answer.
"""

from __future__ import annotations

import gzip
import json
import random
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Scrapes do not fall into step with what happens once a second.
JITTER = 0.2


@dataclass(frozen=True)
class Job:
    """Rounds of scrapes.

    Attributes:
        port: on 127.0.0.1.
        path: with its query.
        rounds: how many times.
        every: seconds from round to round; 0 is back to back.
        offsets: one scraper each: seconds after the begin of a round at which it asks.
        most_seconds: no new round begins later.
        timeout: told to the exporter as Prometheus's scrape timeout.
    """

    port: int
    path: str
    rounds: int
    every: float = 0.0
    offsets: tuple[float, ...] = (0.0,)
    most_seconds: float = 600.0
    timeout: float = 5.0


@dataclass
class Result:
    """What came of a job.

    Attributes:
        latencies: seconds, one list for each scraper.
        seconds: of the whole job.
        failures: answers other than 200.
        body: the last answer, unpacked.
    """

    latencies: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    failures: int = 0
    body: str = ""


class _Scraper:
    def __init__(self, job: Job) -> None:
        self._socket = socket.create_connection(("127.0.0.1", job.port), timeout=job.timeout + 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = (
            f"GET {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nUser-Agent: Prometheus/2.42.0\r\n"
            "Accept: text/plain;version=0.0.4;q=1\r\nAccept-Encoding: gzip\r\n"
            f"X-Prometheus-Scrape-Timeout-Seconds: {job.timeout:g}\r\n\r\n"
        ).encode()
        self._sent_at = 0.0
        self.received = b""
        self.latencies: list[float] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self) -> None:
        self.received = b""
        self._sent_at = time.perf_counter()
        self._socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what is there; whether the answer is complete."""
        data = self._socket.recv(262144)
        if not data:
            raise ConnectionError("the exporter closed the connection")
        self.received += data
        if not _complete(self.received):
            return False
        self.latencies.append(time.perf_counter() - self._sent_at)
        return True


def _complete(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _content_length(answer[:end])
    if length is None:
        return answer.endswith(b"\r\n0\r\n\r\n")
    return len(answer) >= end + 4 + length


def _content_length(head: bytes) -> int | None:
    place = head.lower().find(b"content-length:")
    return None if place < 0 else int(head[place + 15 :].split(b"\r\n", 1)[0])


def _body(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    if _content_length(head) is None:
        chunks = b""
        while True:
            size, _, rest = body.partition(b"\r\n")
            if not int(size, 16):
                break
            chunks += rest[: int(size, 16)]
            body = rest[int(size, 16) + 2 :]
        body = chunks
    if b"content-encoding: gzip" in head.lower():
        body = gzip.decompress(body)
    return body.decode()


def run(job: Job) -> Result:
    """Do the job in this process."""
    scrapers = [_Scraper(job) for _ in job.offsets]
    result = Result()
    rng = random.Random(1)
    started = time.perf_counter()
    for number in range(job.rounds):
        begin = time.perf_counter()
        if begin - started > job.most_seconds:
            break
        if job.every:
            due = started + (number + rng.uniform(0, JITTER)) * job.every
            time.sleep(max(0.0, due - begin))
        _round(scrapers, job.offsets)
        result.failures += sum(not scraper.received.startswith(b"HTTP/1.1 200") for scraper in scrapers)
    result.seconds = time.perf_counter() - started
    result.latencies = [scraper.latencies for scraper in scrapers]
    result.body = _body(scrapers[0].received)
    return result


def _round(scrapers: list[_Scraper], offsets: tuple[float, ...]) -> None:
    begin = time.perf_counter()
    to_send = sorted(zip(offsets, scrapers, strict=True), key=lambda item: item[0])
    waiting: list[_Scraper] = []
    while to_send or waiting:
        while to_send and time.perf_counter() - begin >= to_send[0][0]:
            scraper = to_send.pop(0)[1]
            scraper.send()
            waiting.append(scraper)
        pause = max(0.0, begin + to_send[0][0] - time.perf_counter()) if to_send else 120.0
        readable, _, _ = select.select(waiting, [], [], pause)
        if not readable and not to_send:
            raise TimeoutError("no answer within two minutes")
        for scraper in readable:
            if scraper.receive():
                waiting.remove(scraper)


def scrape(job: Job) -> Result:
    """Do the job in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed; its standard error says why.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "benchmarks.exporter.client"]
    done = subprocess.run(
        command, input=json.dumps(asdict(job)), stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY
    )
    return Result(**json.loads(done.stdout))


def main() -> None:
    """Read a job, print its result."""
    job = json.load(sys.stdin)
    try:
        print(json.dumps(asdict(run(Job(**{**job, "offsets": tuple(job["offsets"])})))))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
