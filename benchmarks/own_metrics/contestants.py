"""The same figures of the same rows: by the section, and by configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.exporter.contender import Sources
from benchmarks.exporter.ours import Ours, path_of

# Without what a configuration cannot say: thresholds and model in force.
_SECTION = """
probes: {}
platform: {absent: {views: [model_versions], keys: [config:fraud_threshold, config:fraud_model]}}
"""
_CONFIGURED = """
probes: {}
metrics:
  - name: fraud
    section: health
    from: view
    view: monitoring.fraud_predictions
    time: timestamp
    windows: [10m, 1h, 24h]
    keys: {decision: {column: decision, %s}}
    values:
      fraud_predictions: {kind: count, help: Fraud predictions.}
      fraud_score:
        {kind: histogram, column: fraud_score, buckets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
         by: [], help: Fraud scores.}
"""


class Contestant(Ours):
    """An exporter with a configuration of its own, of which one section is scraped.

    Args:
        platform: what it reads.
    """

    title: ClassVar[str]
    configuration: ClassVar[str]

    def __init__(self, platform: Sources) -> None:
        super().__init__(platform)
        self._file = self.directory / "exporter.yml"

    def prepare(self) -> None:
        """See `Server.prepare`."""
        super().prepare()
        self._file.write_text(self.configuration, encoding="utf-8")

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [*super().command(), f"--config.file={self._file}"]


class Section(Contestant):
    """The section itself."""

    title = "section fraud"
    configuration = _SECTION
    # With section health, as an entry of the configuration is not scraped alone, either.
    path = path_of(["fraud", "health"])
    proof = r'ticketing_fraud_predictions{.*window="24h"'


class Words(Contestant):
    """With the decisions listed, as the section has them."""

    title = "as configuration, words listed"
    configuration = _CONFIGURED % "words: [APPROVED, REVIEW, BLOCKED]"
    path = path_of(["health"])
    proof = r'ticketing_own_fraud_predictions{.*window="24h"'


class Names(Contestant):
    """With decisions that nobody listed."""

    title = "as configuration, names as they come"
    configuration = _CONFIGURED % "most: 10"
    path = Words.path
    proof = Words.proof


CONTESTANTS: Sequence[type[Contestant]] = (Section, Words, Names)
