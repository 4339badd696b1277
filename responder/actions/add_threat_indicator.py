"""The addresses of an attack, in the threat feed: the platform's and, where one is configured, a TAXII collection."""

from __future__ import annotations

import uuid
from datetime import UTC, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from common.yaml_files import Duration, Strict
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field, Pace
from responder.errors import RefusedError, SkipError
from responder.ledger.claims import State

FEED = Field[Endpoint]("threat_feed", Endpoint)
"""A TAXII 2.1 collection, its address ending in its id."""


def _check(networks: tuple[str, ...], _pace: Pace) -> None:
    for network in networks:
        ip_network(network)


NEVER = Field[tuple[str, ...]]("never_indicate", tuple[str, ...], _check)
"""Networks that are never put into the feed."""
TAXII = "application/taxii+json;version=2.1"
_STIX_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Of STIX 2.1, for identifiers that follow from what they identify."""


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        account: account whose failed sign-ins provide the addresses.
        within: how long before the incident's start sign-ins count.
        reason: text that is kept with each indicator.
        valid_for: how long the indicator is valid.
    """

    account: str
    reason: str
    within: Duration = Duration(900)
    valid_for: Duration = Duration(30 * 86400)


class AddThreatIndicator(Action[Parameters]):
    """Networks of `never_indicate` are left out: an attack from the office must not shut the office out.

    So is what is no address.
    """

    parameters = Parameters
    uses = (FEED, NEVER)

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        addresses, left_out = _addresses(task, parameters)
        if not addresses:
            raise SkipError(f"no address to indicate{': left out: ' + ', '.join(left_out) if left_out else ''}")
        reason = task.fill(parameters.reason)
        for address in addresses:
            task.services.contract.add_threat_indicator(address, reason, task.correlation_id)
        state: State = {"addresses": addresses, **({"left_out": left_out} if left_out else {})}
        feed = task.services.config.get(FEED)
        if feed is not None:
            objects = [_indicator(task, parameters, address, reason) for address in addresses]
            reply = task.services.http.request(
                "POST",
                feed,
                "/objects/",
                body={"objects": objects},
                headers={"Accept": TAXII, "Content-Type": TAXII},
            )
            status = reply.json()
            failures = status.get("failures") if isinstance(status, dict) else None
            if failures:
                raise RefusedError(f"the TAXII collection refuses {len(failures)} of {len(objects)} indicators")
            state["published"] = [one["id"] for one in objects]
        return state

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        addresses, _ = _addresses(task, parameters)
        return f"would add {', '.join(addresses) or 'no address'} to the threat feed"


def _addresses(task: Task, parameters: Parameters) -> tuple[list[str], list[str]]:
    """Addresses to indicate, and those that are never."""
    since = task.incident.opened_at - timedelta(seconds=parameters.within)
    found = task.services.contract.failed_sign_in_sources(task.fill(parameters.account), since)
    never = [ip_network(network) for network in task.services.config.get(NEVER) or ()]
    # By what they say; two texts may say the same address.
    addresses: dict[str, None] = {}
    left_out = []
    for text in found:
        address = _address(text)
        if address is None or any(address in network for network in never):
            left_out.append(text)
        else:
            addresses[str(address)] = None
    return list(addresses), left_out


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, if it means the same everywhere; the platform's column may hold any text.

    One of IPv4 in the form of IPv6, `::ffff:10.1.2.3`, is that of IPv4: the networks of IPv4 do not contain the other.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id else address.ipv4_mapped or address


def _indicator(task: Task, parameters: Parameters, address: str, reason: str) -> dict[str, Any]:
    """A STIX 2.1 indicator, the same in every try: identifier and times follow from the incident."""
    kind = f"ipv{ip_address(address).version}-addr"
    created = task.incident.opened_at.astimezone(UTC)
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(_STIX_NAMESPACE, f'{task.correlation_id} {address}')}",
        "created": _time(created),
        "modified": _time(created),
        "name": f"{address}: {task.incident.alertname}",
        "description": reason,
        "indicator_types": ["malicious-activity"],
        "pattern": f"[{kind}:value = '{address}']",
        "pattern_type": "stix",
        "valid_from": _time(created),
        "valid_until": _time(created + timedelta(seconds=parameters.valid_for)),
        "labels": [f"correlation-id:{task.correlation_id}"],
    }


def _time(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z")
