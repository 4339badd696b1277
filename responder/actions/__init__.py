"""What a playbook can ask for. To add an action: a file here and a line below, or a package of your own."""

from functools import cache
from typing import Any

from responder.actions.add_threat_indicator import AddThreatIndicator
from responder.actions.base import AnyAction
from responder.actions.capture_profile import CaptureProfile
from responder.actions.installed import installed
from responder.actions.lock_account import LockAccount
from responder.actions.notify import Notify
from responder.actions.open_siem_incident import OpenSiemIncident
from responder.actions.record_siem import RecordSiem
from responder.actions.scale_backend import ScaleBackend
from responder.actions.schedule_retraining import ScheduleRetraining
from responder.actions.set_fraud_model import SetFraudModel
from responder.actions.set_fraud_threshold import SetFraudThreshold
from responder.actions.silence_alert import SilenceAlert
from responder.config import Field

SHIPPED: dict[str, AnyAction] = {
    "add_threat_indicator": AddThreatIndicator(),
    "capture_profile": CaptureProfile(),
    "lock_account": LockAccount(),
    "notify": Notify(),
    "open_siem_incident": OpenSiemIncident(),
    "record_siem": RecordSiem(),
    "scale_backend": ScaleBackend(),
    "schedule_retraining": ScheduleRetraining(),
    "set_fraud_model": SetFraudModel(),
    "set_fraud_threshold": SetFraudThreshold(),
    "silence_alert": SilenceAlert(),
}


@cache
def actions() -> dict[str, AnyAction]:
    """All of them by name: those that are shipped, and those of packages that are installed beside.

    Raises:
        ConfigError: one that is installed cannot be used.
    """
    return SHIPPED | installed(SHIPPED)


def fields() -> list[Field[Any]]:
    """What the actions declare of the configuration file."""
    return [field for action in actions().values() for field in (*action.needs, *action.uses)]


def tellers() -> list[str]:
    """Those that tell people what the others came to."""
    return [name for name, action in actions().items() if action.tells]
