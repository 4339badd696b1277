"""Someone has an administrator's password and tries the second factor."""

import numpy as np

from contract.definition import LOGIN_FAILED, MFA_FAILED, Severity
from simulator.episodes.kind import Episode, Kind
from simulator.events import SecurityEvent
from simulator.instants import MINUTE, SECOND


def _events(minute: int, episode: Episode, _rng: np.random.Generator) -> list[SecurityEvent]:
    """Place the attempts two seconds apart from the start, and again every ``repeat_minutes``."""
    account, address = episode.text("account"), episode.text("source_ip")
    kinds = [LOGIN_FAILED] * int(episode.number("login_failures"))
    kinds += [MFA_FAILED] * int(episode.number("mfa_failures"))
    first, last = episode.span(minute)
    repeat = int(episode.number("repeat_minutes") * MINUTE)
    events = []
    for burst in range(episode.starts_at, last, repeat):
        for position, kind in enumerate(kinds):
            at = burst + position * 2 * SECOND
            if not first <= at < last:
                continue
            severity: Severity = "HIGH" if kind == MFA_FAILED else "MEDIUM"
            what = "MFA code" if kind == MFA_FAILED else "admin login"
            text = f"Failed {what} of {account} from IP {address}"
            events.append(SecurityEvent(at, severity, kind, text, account, address))
    return events


ADMIN_ATTACK = Kind(
    "Two failed logins and three failed MFA codes of one administrator within ten seconds",
    minutes=5,
    parameters={
        "account": "alice.ops",
        "source_ip": "203.0.113.99",
        "login_failures": 2.0,
        "mfa_failures": 3.0,
        "repeat_minutes": 2.0,
    },
    events=_events,
)
