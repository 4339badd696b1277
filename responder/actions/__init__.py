"""What a playbook can ask for. To add an action: a file here and a line below."""

from responder.actions.add_threat_indicator import AddThreatIndicator
from responder.actions.base import AnyAction
from responder.actions.capture_profile import CaptureProfile
from responder.actions.lock_account import LockAccount
from responder.actions.notify import Notify
from responder.actions.open_siem_incident import OpenSiemIncident
from responder.actions.record_siem import RecordSiem
from responder.actions.scale_backend import ScaleBackend
from responder.actions.schedule_retraining import ScheduleRetraining
from responder.actions.set_fraud_model import SetFraudModel
from responder.actions.set_fraud_threshold import SetFraudThreshold

ACTIONS: dict[str, AnyAction] = {
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
}
FIELDS = [field for action in ACTIONS.values() for field in (*action.needs, *action.uses)]
"""Of the configuration file."""
