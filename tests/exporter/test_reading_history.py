"""A section that still reads history succeeds, and says so wherever one looks."""

from __future__ import annotations

from exporter.absence import NOTHING
from exporter.collectors.base import COMPLETE, Collector, History, Moment
from exporter.exposition import Family
from exporter.scrape import Scraper
from exporter.web.landing import page


class Reading:
    """A part with so much left to read."""

    def __init__(self, history: History) -> None:
        self.history = history

    async def __call__(self, moment: Moment) -> list[Family]:
        moment.history = moment.history.with_other(self.history)
        return []


def test_it_is_told_until_all_is_read() -> None:
    parts = [Reading(History(7200, 0.9)), Reading(History(36000, 0.5)), Reading(COMPLETE)]
    scraper = Scraper([Collector("fraud", parts)])
    text = scraper.scrape(["fraud"], 5).text.decode()
    # Of several parts, what is furthest from its end.
    assert 'ticketing_exporter_history_complete_ratio{collector="fraud"} 0.5\n' in text
    assert 'ticketing_exporter_collector_success{collector="fraud"} 1\n' in text
    shown = page(scraper.statuses(), {}, NOTHING, scraper.collectors)
    assert '<td class="unknown">reading history</td>' in shown
    assert "still reading history: 10.0 h are missing" in shown

    for part in parts:
        part.history = COMPLETE
    text = scraper.scrape(["fraud"], 5).text.decode()
    assert 'ticketing_exporter_history_complete_ratio{collector="fraud"} 1\n' in text
    shown = page(scraper.statuses(), {}, NOTHING, scraper.collectors)
    assert '<td class="ok">ok</td>' in shown
    assert "history" not in shown


def test_what_fails_meanwhile_fails() -> None:
    async def fails(moment: Moment) -> list[Family]:
        moment.history = History(60, 0.5)
        moment.problem("a view is not there")
        return []

    scraper = Scraper([Collector("fraud", [fails])])
    assert 'collector_success{collector="fraud"} 0' in scraper.scrape(["fraud"], 5).text.decode()
    assert '<td class="failed">failed</td>' in page(scraper.statuses(), {}, NOTHING, scraper.collectors)
