"""The command: looks at the database, writes its files and says what is to be done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretError, SecretText
from exporter.contract_draft import exporter_file, indexes, matching, platform_file, views_file
from exporter.contract_draft.catalog import KINDS, Relation, read_catalog
from exporter.contract_draft.database import Database
from exporter.contract_draft.draft import Context, DraftedView
from exporter.contract_draft.matching import Match
from exporter.contract_draft.questions import Questions
from exporter.contract_draft.redis_keys import Keys, look_for_keys
from exporter.contract_draft.sample import WITH_ZONE
from exporter.contract_draft.text import ago, one_line
from exporter.contract_draft.views import drafted
from exporter.contract_draft.zones import OLD_SECONDS, Zones
from exporter.sources.postgres import CONTRACT_HINT

QUESTIONS = "questions.md"


def draft(postgres_dsn: SecretText, redis_url: SecretText, directory: Path, output: TextIO) -> int:
    """Write the files; returns 0 when views could be drafted, 1 otherwise."""
    database = Database(postgres_dsn)
    try:
        relations = read_catalog(database)
        readable = [relation for relation in relations if relation.readable]
        if not readable:
            what = "no table that this role may read" if relations else "no table of a platform"
            print(f"There is {what}: run it as the owner of the tables, on their database.", file=output)
            return 1
        chosen, looked_at = matching.find(database, readable)
        files = _files(database, look_for_keys(redis_url), relations, chosen, looked_at)
    except (PostgresError, DeadlineExceededError, SecretError) as error:
        print(f"PostgreSQL: {str(error).removesuffix(CONTRACT_HINT)}", file=output)
        return 1
    finally:
        database.close()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _refuse_to_overwrite(directory, files)
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=output)
        return 1
    edits = files[views_file.FILE].count("-- EDIT: ")
    for view, match in chosen.items():
        print(f"  {view:18} {one_line(match.relation.quoted)}", file=output)
    to_fill_in = "1 line is" if edits == 1 else f"{edits} lines are"
    print(f"Written to {directory}: {', '.join(files)}. {to_fill_in} to be filled in.", file=output)
    return 0 if chosen else 1


def _refuse_to_overwrite(directory: Path, files: Mapping[str, str]) -> None:
    # Somebody may have edited them for an hour.
    for name in files:
        if (directory / name).exists():
            raise FileExistsError(17, os.strerror(17), str(directory / name))


def _files(
    database: Database,
    keys: Keys,
    relations: Sequence[Relation],
    chosen: Mapping[str, Match],
    looked_at: Mapping[str, Sequence[Match]],
) -> dict[str, str]:
    questions = Questions()
    zones = Zones(database, questions)
    for match in chosen.values():
        zones.learn(match)
    context = Context(database, {relation.oid: relation for relation in relations}, chosen, zones, questions)
    views = drafted(context)
    _ask_about_age(zones, chosen, questions)
    if keys.problem:
        database.refused.append(keys.problem)
    return {
        views_file.FILE: views_file.views_file(views),
        indexes.FILE: indexes.indexes_file(views),
        platform_file.FILE: platform_file.platform_file(views, keys),
        exporter_file.FILE: exporter_file.exporter_file(views, keys),
        QUESTIONS: _questions(database, relations, chosen, looked_at, views, questions),
    }


def _ask_about_age(zones: Zones, chosen: Mapping[str, Match], questions: Questions) -> None:
    for view, match in chosen.items():
        age, column = zones.age(match), match.get("timestamp")
        if column is None or age is None:
            continue
        subject = f"{view}: {match.relation.quoted}.{column.quoted}"
        if age < -60:
            asked = f"Its newest row is {ago(-age)} in the future. Is it another column, or another zone?"
            questions.ask(subject, asked, "that it is so")
        elif age > OLD_SECONDS and match.sample.newest == column:
            zone = "" if column.type == WITH_ZONE else ", or another zone"
            questions.ask(subject, f"Its newest row is {ago(age)} old. Is it another table{zone}?", "that it is so")


def _questions(
    database: Database,
    relations: Sequence[Relation],
    chosen: Mapping[str, Match],
    looked_at: Mapping[str, Sequence[Match]],
    views: Sequence[DraftedView],
    questions: Questions,
) -> str:
    lines = [
        "# What the draft took for granted",
        "",
        "## Tables",
        "",
        "| view | drafted over | looked at, too |",
        "|---|---|---|",
    ]
    for view in views:
        match = chosen.get(view.name)
        others = [
            m.relation.quoted for m in looked_at.get(view.name, ()) if match is None or m.relation is not match.relation
        ]
        over = "nothing: without rows"
        if match is not None:
            over = f"{_cell(match.relation.quoted)}, a {KINDS[match.relation.kind]} of about {_rows(match.relation)}"
        lines.append(f"| {view.name} | {over} | {', '.join(map(_cell, others))} |")
    lines += ["", *questions.markdown()]
    unread = [relation.quoted for relation in relations if not relation.readable]
    secured = [match.relation.quoted for match in chosen.values() if match.relation.row_security]
    for title, names in (
        ("This role may not read", unread),
        ("Row-level security is on: the owner of the views must see all rows", secured),
        ("Could not be looked at", database.refused),
    ):
        if names:
            lines += [f"## {title}", "", *(f"- {_cell(name)}" for name in dict.fromkeys(names[:100])), ""]
    return "\n".join(lines)


def _rows(relation: Relation) -> str:
    return f"{relation.rows:,.0f} rows" if relation.rows >= 0 else f"{relation.pages * 8} KiB"


def _cell(text: str) -> str:
    return "`" + " ".join(one_line(word) for word in text.split()).replace("|", "\\|") + "`"
