"""monitoring.security_events: severities, and the two types of failed sign-ins of administrators."""

from __future__ import annotations

from dataclasses import dataclass

from contract.definition import LOGIN_FAILED, MFA_FAILED, SEVERITIES
from exporter.contract_draft import words
from exporter.contract_draft.accounts import is_administrator
from exporter.contract_draft.catalog import Column
from exporter.contract_draft.draft import Context, DraftedView, Source, place, without_rows
from exporter.contract_draft.expression import Expression, Remark, as_text, expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.sample import JSON
from exporter.contract_draft.text import listed, literal
from exporter.contract_draft.translations import INDENT, shown, translated, words_are

VIEW = "security_events"
LOWEST = SEVERITIES[-1]
SIGN_INS = "sign_ins"


@dataclass(frozen=True)
class EventType:
    """The type of an event.

    Attributes:
        value: SQL.
        looks_up: it asks another table, so that the relation needs its alias.
        tells: it knows failed sign-ins of administrators.
    """

    value: Expression
    looks_up: bool
    tells: bool


def draft(context: Context) -> DraftedView:
    """The view; without rows when there are no security events."""
    match = context.matches.get(VIEW)
    if match is None:
        return without_rows(VIEW, ["No table of security events was found."])
    event_type = _event_type(context, match)
    correlation = match.get("correlation_id")
    outputs = {
        "timestamp": context.zones.expression(match, "timestamp") or null("timestamptz"),
        "event_id": _number(match.get("event_id")),
        "severity": _severity(context, match),
        "event_type": event_type.value,
        "message": _message(match),
        "account": _text(match, "account"),
        "source_ip": _text(match, "source_ip"),
        "correlation_id": null("uuid") if correlation is None else expression(correlation),
    }
    return DraftedView(
        VIEW,
        outputs,
        Source(match.relation, aliased=event_type.looks_up),
        lacks=() if event_type.tells else (SIGN_INS,),
        needs=("severity", "event_type", "account"),
    )


def _severity(context: Context, match: Match) -> Expression:
    column = match.get("severity")
    if column is None or not (column.is_enum or column.type in ("text", "character varying", "character")):
        asked = (
            f"How severe are they? All of one severity wake nobody, or everybody. {', '.join(SEVERITIES)} are known."
        )
        context.questions.ask(f"{VIEW}: {match.relation.quoted}", asked, f"{LOWEST}: no column tells")
        return expression(literal(LOWEST), "::text")
    held = context.words(match, column)
    value, unknown = translated(column, held, lambda word: words.meaning(words.SEVERITY, word), SEVERITIES)
    if unknown:
        asked = f"How severe is {listed(unknown)}, of {', '.join(SEVERITIES)}?"
        context.questions.ask(place(match, column), asked, "nothing", edit=True)
    else:
        asked = "Is each severity translated as it is meant?"
        context.questions.ask(place(match, column), asked, shown(column, held), sure=bool(held))
    return value


def _event_type(context: Context, match: Match) -> EventType:
    column = match.played["event_type"]
    held = context.words(match, column)
    failed = _failed(context, match)
    mfa: list[str] = []
    sign_in: list[str] = []
    for word in held:
        if words.sign_in_failed(word) or (failed is not None and _is_sign_in(word)):
            (mfa if words.one_of(words.SECOND_FACTOR, word) else sign_in).append(word)
    subject = place(match, column)
    administrator = is_administrator(context, match)
    if not mfa and not sign_in:
        none = f"none of {listed(held)}" if held else "none, as there are no rows yet"
        asked = f"Which types are failed sign-ins of administrators? They become {MFA_FAILED} and {LOGIN_FAILED}."
        context.questions.ask(subject, asked, none)
    elif administrator is None:
        context.questions.ask(
            subject,
            "Are these sign-ins of administrators only? Customers' must not count: an alert locks the account. If so, "
            "remove the -- before their lines.",
            f"nothing tells, so none of {listed((*mfa, *sign_in))} counts",
        )
    else:
        taken = f"second factor {listed(mfa) or 'none'}; password {listed(sign_in) or 'none'}"
        context.questions.ask(subject, "Which types are failed sign-ins?", taken, sure=True)
    lines: list[str | Column | Remark | Expression] = []
    for meaning, theirs in ((MFA_FAILED, mfa), (LOGIN_FAILED, sign_in)):
        for word in theirs:
            lines += _line(column, word, meaning, None if words.sign_in_failed(word) else failed, administrator)
    if administrator is None or administrator.sql() != "true":
        # The platform may use the contract's own words for everybody's.
        lines += [f"\n{INDENT}WHEN ", as_text(column), f" IN ({literal(MFA_FAILED)}, {literal(LOGIN_FAILED)})"]
        lines += [" THEN ", as_text(column), " || '_of_others'"]
    if not lines:
        return EventType(as_text(column), looks_up=False, tells=False)
    case = expression("CASE", *lines, f"\n{INDENT}ELSE ", as_text(column), "\n    END")
    looks_up = administrator is not None and "EXISTS" in administrator.sql()
    return EventType(case, looks_up, tells=administrator is not None and bool(mfa or sign_in))


def _line(
    column: Column, word: str, meaning: str, failed: Expression | None, administrator: Expression | None
) -> list[str | Column | Remark | Expression]:
    condition: list[str | Column | Remark | Expression] = [column, f" = {literal(word)}"]
    if failed is not None:
        condition += [" AND ", failed]
    if administrator is None:
        # One line to uncomment; a word cannot end it, as `literal` keeps it on one line or it is not offered.
        if not word.isprintable():
            return []
        text = expression(*condition).sql()
        return [f"\n{INDENT}-- WHEN {text} THEN {literal(meaning)}"]
    if administrator.sql() != "true":
        condition += [" AND ", administrator]
    return [f"\n{INDENT}WHEN ", *condition, f" THEN {literal(meaning)}"]


def _failed(context: Context, match: Match) -> Expression | None:
    """That what was tried did not succeed, where a column of its own says so."""
    success, outcome = match.get("success"), match.get("outcome")
    if success is not None:
        return expression("NOT ", success)
    if outcome is None:
        return None
    held = context.words(match, outcome)
    bad = [word for word in held if words.one_of(words.FAILED, word)]
    return words_are(outcome, bad) if bad else None


def _is_sign_in(word: str) -> bool:
    return words.one_of(words.SECOND_FACTOR, word) or words.one_of(words.SIGN_IN, word)


def _number(column: Column | None) -> Expression:
    if column is None:
        return null("bigint")
    if column.type == "bigint":
        return expression(column)
    if column.type in ("smallint", "integer"):
        return expression(column, "::bigint")
    # Of a UUID, or a number of any size: one that is as good as unique.
    return expression("hashtextextended(", column, "::text, 0)")


def _message(match: Match) -> Expression:
    message, event_type = match.get("message"), match.played["event_type"]
    if message is None:
        return as_text(event_type)
    text = expression(message, "::text") if message.type in JSON else as_text(message)
    return expression("coalesce(", text, ", ", as_text(event_type), ")")


def _text(match: Match, role: str) -> Expression:
    column = match.get(role)
    return null("text") if column is None else as_text(column)
