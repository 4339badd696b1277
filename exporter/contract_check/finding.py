"""What the check finds: one line of the report each."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, ABSENT = "ok", "warning", "absent"
WRONG, MISSING, DENIED, DOWN = "WRONG", "MISSING", "DENIED", "DOWN"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        state: one of the above; those in capitals fail the check.
        subject: the view, column, feature, key or pattern that it is about.
        detail: what was found.
        mend: what to do about it; of one that fails never empty.
    """

    state: str
    subject: str
    detail: str
    mend: str = ""

    @property
    def failed(self) -> bool:
        """Whether it keeps metrics from being right."""
        return self.state.isupper()
