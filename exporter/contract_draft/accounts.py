"""Administrators against customers: `mfa_failed` and `login_failed` are of administrators alone.

An alert on them locks an account and wakes somebody, so a failed sign-in of which nothing says whose it is counts as
neither, until somebody who knows says so.
"""

from __future__ import annotations

from exporter.contract_draft import words
from exporter.contract_draft.catalog import Column, Relation
from exporter.contract_draft.draft import Context, place
from exporter.contract_draft.expression import Expression, expression
from exporter.contract_draft.matching import Match
from exporter.contract_draft.roles import ROLES
from exporter.contract_draft.sample import is_word, read_words
from exporter.contract_draft.text import listed, literal, tokens

PEOPLE = {"user", "account", "admin", "administrator", "staff", "member", "employee", "operator", "people", "person"}
PERSON = "person"
"""Alias of the table of people."""


def is_administrator(context: Context, match: Match) -> Expression | None:
    """A condition on a row of security events; None when nothing tells, TRUE when the whole table is theirs."""
    if set(tokens(match.relation.name)) & {"admin", "administrator", "staff", "backoffice"}:
        context.questions.ask(
            f"{match.view}: {match.relation.quoted}", "Are its accounts administrators only?", "yes, by its name"
        )
        return expression("true")
    own = _among(context, match.relation, match.get("administrator"), match.get("role"), match)
    return own or _of_people(context, match)


def _among(
    context: Context, relation: Relation, flag: Column | None, role: Column | None, match: Match
) -> Expression | None:
    if flag is not None:
        context.questions.ask(place(match, flag), "Does it say who is an administrator?", "yes, by its name", sure=True)
        return expression(flag)
    if role is None:
        return None
    held = list(dict.fromkeys((*role.words, *read_words(context.database, relation, role, None))))
    theirs = [word for word in held if words.one_of(words.ADMINISTRATORS, word)]
    if not theirs:
        return None
    asked = f"Which of {relation.quoted}.{role.quoted} are administrators?"
    context.questions.ask(
        f"{match.view}: {match.relation.quoted}", asked, f"{listed(theirs)} of {listed(held)}", sure=True
    )
    if len(theirs) == 1:
        return expression(role, f" = {literal(theirs[0])}")
    return expression(role, f" IN ({', '.join(map(literal, theirs))})")


def _of_people(context: Context, match: Match) -> Expression | None:
    """By the table of people, one row of which is looked up for each failed sign-in."""
    for column in match.relation.columns.values():
        if not column.references:
            continue
        people = context.relations.get(column.references[0])
        if people is None or not people.readable or not PEOPLE & set(tokens(people.name)):
            continue
        key = next((c for c in people.columns.values() if people.is_unique(c) and c.type == column.type), None)
        flag = _column(people, "administrator", boolean=True)
        role = _column(people, "role", boolean=False)
        told = _among(context, people, flag, role, match)
        if key is not None and told is not None:
            condition = told.sql(PERSON)
            return expression(
                f"EXISTS (SELECT FROM {people.quoted} AS {PERSON} WHERE {PERSON}.{key.quoted} = ",
                column,
                f" AND {condition})",
            )
    return None


def _column(people: Relation, role: str, *, boolean: bool) -> Column | None:
    names = ROLES["security_events"].roles[role].names
    for name in names:
        for column in people.columns.values():
            if tokens(column.name) == tokens(name) and (column.type == "boolean" if boolean else is_word(column)):
                return column
    return None
