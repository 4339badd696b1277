"""A TAXII 2.1 collection for STIX 2.1 indicators.

OASIS, "TAXII Version 2.1", sections 5.4 (get objects) and 5.5 (add objects).
"""

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from testbed.counterparts.server import Reply, Request

MEDIA_TYPE = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
_PATH = re.compile(rf"/taxii2/threats/collections/{COLLECTION}/objects/?")
_ID = re.compile(r"indicator--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_PATTERN = re.compile(r"\[ipv[46]-addr:value = '[0-9a-f.:]+'\]")
_REQUIRED = ("created", "modified", "pattern", "pattern_type", "valid_from")


@dataclass
class Taxii:
    """Keeps indicators by identifier and version.

    Attributes:
        objects: by `id` and `modified`; the same version again changes nothing.
    """

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> Reply | None:
        """See `Counterpart`."""
        if not _PATH.fullmatch(request.path):
            return None
        if MEDIA_TYPE not in request.headers.get("accept", "").replace(" ", ""):
            return _error(406, "Accept must be " + MEDIA_TYPE)
        with self.lock:
            if request.method == "GET":
                return Reply.of_json(200, {"objects": list(self.objects.values())}, MEDIA_TYPE)
            if request.method == "POST":
                return self._add(request)
        return _error(405, "GET or POST")

    def _add(self, request: Request) -> Reply:
        if request.headers.get("content-type", "").replace(" ", "") != MEDIA_TYPE:
            return _error(415, "Content-Type must be " + MEDIA_TYPE)
        envelope = request.json()
        if not isinstance(envelope, dict) or not isinstance(envelope.get("objects"), list):
            return _error(422, "the body is no envelope")
        successes, failures = [], []
        for one in envelope["objects"]:
            problem = _problem(one)
            details = {"id": one.get("id", ""), "version": one.get("modified", "")}
            if problem:
                failures.append({**details, "message": problem})
            else:
                self.objects.setdefault((one["id"], one["modified"]), one)
                successes.append(details)
        status = {
            "id": str(uuid.uuid4()),
            "status": "complete",
            "request_timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "total_count": len(envelope["objects"]),
            "success_count": len(successes),
            "successes": successes,
            "failure_count": len(failures),
            "failures": failures,
            "pending_count": 0,
        }
        return Reply.of_json(202, status, MEDIA_TYPE)


def _problem(one: dict[str, Any]) -> str:
    if one.get("type") != "indicator" or one.get("spec_version") != "2.1":
        return "not an indicator of STIX 2.1"
    if not _ID.fullmatch(str(one.get("id"))):
        return "id is invalid"
    if missing := [name for name in _REQUIRED if not one.get(name)]:
        return f"{missing[0]} is missing"
    return "" if _PATTERN.fullmatch(one["pattern"]) else "pattern is invalid"


def _error(status: int, title: str) -> Reply:
    return Reply.of_json(status, {"title": title, "http_status": str(status)}, MEDIA_TYPE)
