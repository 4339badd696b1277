"""monitoring.event_launches: from when to when a launch is on."""

from __future__ import annotations

from exporter.contract_draft.draft import Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.text import tokens

VIEW = "event_launches"
USUAL = "2 hours"


def draft(context: Context) -> DraftedView:
    """The view; without rows when there are no launches."""
    match = context.matches.get(VIEW)
    if match is None:
        return without_rows(VIEW, ["No table of launches was found."])
    identity, name = match.get("event_id"), match.get("name")
    starts = context.zones.expression(match, "starts_at") or null("timestamptz")
    outputs = {
        "event_id": null("text") if identity is None else as_text(identity),
        "name": null("text") if name is None else as_text(name),
        "starts_at": starts,
        "ends_at": _end(context, match, starts),
    }
    return DraftedView(VIEW, outputs, Source(match.relation))


def _end(context: Context, match: Match, starts: Expression) -> Expression:
    ends, duration = context.zones.expression(match, "ends_at"), match.get("duration")
    if ends is not None:
        return ends
    if duration is None:
        asked = "When does a launch end?"
        context.questions.ask(f"{VIEW}: {match.relation.quoted}", asked, f"{USUAL} after its start: no column tells")
        return expression("(", starts, f") + interval '{USUAL}'")
    if duration.type == "interval":
        return expression("(", starts, ") + ", duration)
    unit = next((unit for unit in ("second", "hour") if unit in tokens(duration.name)), "minute")
    context.questions.ask(place(match, duration), "Of which unit?", f"{unit}s")
    return expression("(", starts, ") + ", duration, f" * interval '1 {unit}'")
