"""`POST /decisions`: what a person says about an incident.

{"correlation_id": "8e0b…", "decision": "undo", "by": "alice", "via": "cli"} → 200 {"decided": "undone by alice (cli)"}
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from common.yaml_files import Strict
from responder.ledger.decisions import PAST, Decision, Kind

LONGEST_BY = 100
By = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_BY)]
ActionName = Annotated[str, msgspec.Meta(max_length=50, pattern=r"\A[a-z][a-z0-9_]*\Z")]


class _Request(Strict, frozen=True, kw_only=True):
    correlation_id: UUID
    decision: Kind
    action: ActionName | None = None
    by: By
    via: Literal["cli", "api"] = "api"


def parse(body: bytes) -> Decision:
    """The decision of a request's body.

    Raises:
        msgspec.DecodeError: it is none; the message names the field.
    """
    said = msgspec.json.decode(body, type=_Request)
    # It is quoted in logs and messages.
    if not said.by.isprintable():
        raise msgspec.ValidationError("Expected printable characters - at `$.by`")
    return Decision(said.correlation_id, said.decision, said.by, said.via, said.action)


def parse_click(value: str, by: str) -> Decision:
    """The decision of a button with this value: what, about which incident and, of some, which action.

    Raises:
        ValueError: it is none.
    """
    kind, _, rest = value.partition(" ")
    correlation_id, _, action = rest.partition(" ")
    if kind not in PAST:
        raise ValueError(f"{kind[:30]!a} is not a decision")
    return Decision(UUID(correlation_id), kind, by, "chat", action or None)
