"""The incidents of the demo, as data: what happens, and exactly who is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Incident:
    """What happens, and every notification that it causes.

    Attributes:
        what: happens, for people.
        tells: channels of the inbox by alert; nobody else is told, and of nothing else.
        after: how long that takes in the demo, for people.
        episode: of the simulator; None when the exporter is stopped.
        parameters: of the episode, that differ from its defaults.
        ends: whether it is told that it is over, soon after it was stopped. An SMS never says so, and the chat once the
            responder has made sure of it.
        grows: whether it is told again, in the same incident, because further alerts of the name join the first.
        refunded: part of the revenue of the last hour that is given back, which the episode has to be told in USD.
    """

    what: str
    tells: Mapping[str, frozenset[str]]
    after: str
    episode: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = True
    grows: bool = False
    refunded: float = 0.0

    @property
    def firing(self) -> set[tuple[str, str]]:
        """Channel and alert of what is told while it lasts."""
        return {(channel, alert) for alert, channels in self.tells.items() for channel in channels}

    @property
    def resolved(self) -> set[tuple[str, str]]:
        """Channel and alert of what is told when it is over."""
        once = {"sms", "chat"}
        return {(channel, alert) for channel, alert in self.firing if channel not in once} if self.ends else set()


PAGE = frozenset({"pagerduty"})
SLACK = frozenset({"slack"})
# The responder acts, and writes to the chat what it did.
RESPONDER = frozenset({"responder", "chat"})

INCIDENTS: Mapping[str, Incident] = {
    "admin-attack": Incident(
        "an administrator's password is stolen, and the second factor tried",
        {"UnauthorizedAdminAccess": PAGE | RESPONDER | {"sms"}},
        "seconds",
        "admin_attack",
        # Who has the password does not fail to log in: AdminLoginBruteForce has nothing to say.
        {"login_failures": 0, "repeat_minutes": 0.5, "minutes": 30},
    ),
    "service-down": Incident(
        "the fraud model's inference service answers 503",
        {"ServiceDown": PAGE | SLACK},
        "a minute and a half",
        "service_down",
        {"minutes": 30},
    ),
    "exporter-down": Incident(
        "the exporter is stopped: nothing is known any more",
        {"ExporterDown": PAGE | SLACK},
        "a minute and a half",
        None,
        # The job that is scraped once a minute comes last.
        grows=True,
    ),
    "fraud-spike": Incident(
        "fraud from everywhere, seven times the usual sales",
        {"FraudRateSpike": PAGE | RESPONDER},
        "two minutes",
        "fraud_spike",
        {"extra_per_hour": 9000},
    ),
    "latency": Incident(
        "the prediction API is slow",
        {"ApiLatencyDegradation": SLACK | RESPONDER},
        "a minute",
        "slow_api",
    ),
    "rpc-slow": Incident(
        "the smart-contract RPC provider is slow",
        {"ServiceSlow": SLACK},
        "a minute and a half",
        "slow_rpc",
    ),
    "traffic-flood": Incident(
        "requests near the global limit, some clients at theirs",
        {"RateLimitNearGlobal": SLACK, "ClientNearLimit": SLACK},
        "two to three minutes",
        "traffic_flood",
        {"minutes": 30},
    ),
    "launch-revenue": Incident(
        "an on-sale that sells next to nothing, while buyers of a cancelled event are refunded",
        {"RevenueLow": PAGE | SLACK},
        "a minute",
        "launch",
        {"revenue_factor": 0.05},
        refunded=0.95,
    ),
    "quiet-predictions": Incident(
        "tickets are sold, but nothing is scored",
        {"PredictionsStalled": PAGE | SLACK},
        "three minutes (twelve while fewer than 500 tickets an hour are sold)",
        "quiet_predictions",
    ),
    "drift": Incident(
        "a new sales channel brings buyers the model was not trained on",
        {"ModelDrift": RESPONDER | {"email"}},
        "two to three minutes",
        "drift",
        {"extra_per_hour": 15000},
        # The drift is that of a week: it ends with the next training.
        ends=False,
        # One feature after the other.
        grows=True,
    ),
}
