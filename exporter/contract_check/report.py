"""The report: text for people, JSON for pipelines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TextIO

from exporter.contract_check.finding import Finding

Parts = Mapping[str, Iterator[Finding]]
"""Findings by where they were found, each made as it is printed."""


def as_text(parts: Parts, output: TextIO) -> int:
    """Print one line a finding, and a second one with how to mend it; returns how many failed."""
    failed = 0
    for title, findings in parts.items():
        print(title, file=output)
        for finding in findings:
            print(f"  {finding.state:8} {finding.subject:42} {finding.detail}".rstrip(), file=output)
            if finding.mend:
                print(f"           mend: {finding.mend}", file=output)
            failed += finding.failed
    print(f"{failed} failed" if failed else "The contract holds.", file=output)
    return failed


def as_json(parts: Parts, output: TextIO) -> int:
    """Print one object, `{"failed": 1, "findings": [{"source", "state", "subject", "detail", "mend"}, …]}`."""
    found = [(title, finding) for title, findings in parts.items() for finding in findings]
    failed = sum(finding.failed for _, finding in found)
    findings = [
        {
            "source": title,
            "state": finding.state,
            "subject": finding.subject,
            "detail": finding.detail,
            "mend": finding.mend or None,
        }
        for title, finding in found
    ]
    print(json.dumps({"failed": failed, "findings": findings}, indent=2), file=output)
    return failed


FORMATS = {"text": as_text, "json": as_json}
