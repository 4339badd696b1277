"""Whatever happens to a part of a scrape, it costs that part and that scrape alone."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.deadline import Deadline
from exporter.collection import SharedPart
from exporter.collectors.base import Collector, Moment
from exporter.exposition import Family, Metric
from exporter.scrape import Scraper
from exporter.waiting import Wait

VALUE = Metric("ticketing_test", "gauge", "A value.", ("part",))
SECONDS = 5.0
Behaviour = Callable[[Moment], Awaitable[Any]]


class UntoldError(Exception):
    def __str__(self) -> str:
        raise RecursionError


async def answers(_moment: Moment) -> None:
    pass


def raises(error: BaseException) -> Behaviour:
    async def fail(_moment: Moment) -> None:
        raise error

    return fail


async def waits_for_nothing(moment: Moment) -> None:
    await Wait(-1, select.POLLIN, moment.deadline, "nothing")


async def waits_for_what_is_closed(moment: Moment) -> None:
    one, other = socket.socketpair()
    with one, other:
        descriptor = os.dup(one.fileno())
        os.close(descriptor)
        await Wait(descriptor, select.POLLIN, moment.deadline, "what is closed")
        raise OSError("it is closed")


async def is_not_rendered(_moment: Moment) -> Any:
    return [object()]


LEAVES = raises(SystemExit())
FAULTS = (
    raises(ValueError("it fails")),
    raises(MemoryError()),
    raises(RuntimeError("can't start new thread")),
    raises(UntoldError()),
    waits_for_nothing,
    waits_for_what_is_closed,
    is_not_rendered,
    LEAVES,
)


@dataclass
class Section:
    """One part, of which the first collection goes as it is told to, and all others well."""

    name: str
    behave: Behaviour
    times: int = 0

    async def part(self, moment: Moment) -> Iterable[Family]:
        self.times += 1
        if self.times == 1:
            told = await self.behave(moment)
            if told is not None:
                return list(told)
        return [Family(VALUE).add(1, self.name)]

    def collector(self) -> Collector:
        return Collector(self.name, (self.part,))


def scraped(scraper: Scraper) -> str:
    return scraper.scrape(scraper.sections, SECONDS).text.decode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from((answers, *FAULTS)), min_size=1, max_size=6))
def test_after_any_fault_every_part_is_collected_again(behaviours: list[Behaviour]) -> None:
    sections = [Section(f"s{number}", behave) for number, behave in enumerate(behaviours)]
    scraper = Scraper([section.collector() for section in sections])
    # Whoever leaves takes along those that have not begun: they do at the next scrape.
    for _ in range(behaviours.count(LEAVES)):
        with pytest.raises(SystemExit):
            scraped(scraper)
    text = scraped(scraper)
    for section in sections:
        good = section.behave in (answers, LEAVES) or LEAVES in behaviours[int(section.name[1:]) :]
        assert (f'ticketing_test{{part="{section.name}"}} 1' in text) is good
        assert f'collector_success{{collector="{section.name}"}} {int(good)}' in text
    text = scraped(scraper)
    for section in sections:
        assert f'ticketing_test{{part="{section.name}"}} 1' in text
        assert f'collector_success{{collector="{section.name}"}} 1' in text


def test_parts_that_cannot_be_run_are_told_and_are_not_under_way_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    scraper = Scraper([Section(name, answers).collector() for name in ("one", "two")])

    def refuse(coroutines: Iterable[Any]) -> None:
        for coroutine in coroutines:
            coroutine.close()
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("exporter.scrape.run", refuse)
        text = scraped(scraper)
        assert 'collector_success{collector="one"} 0' in text
        assert 'collector_success{collector="two"} 0' in text
        assert scraper.statuses()["one"].problems == ["interrupted"]
    assert 'collector_success{collector="one"} 1' in scraped(scraper)


def test_two_that_wait_for_the_same_descriptor_are_no_more_than_two_failures() -> None:
    one, other = socket.socketpair()

    async def wait(_moment: Moment) -> None:
        await Wait(one.fileno(), select.POLLIN, Deadline(0.2), "the same")

    with one, other:
        sections = [Section(name, wait) for name in ("one", "two")]
        scraper = Scraper([section.collector() for section in sections])
        assert "collector_success" in scraped(scraper)
        assert 'collector_success{collector="two"} 1' in scraped(scraper)


def test_whoever_joins_gets_what_comes_of_it() -> None:
    part = SharedPart(Section("one", answers).part)
    first, new = part.join(Deadline(SECONDS))
    second, newer = part.join(Deadline(SECONDS))
    assert (second is first, new, newer) == (True, True, False)
    assert second.wait(Deadline(0)) is None
