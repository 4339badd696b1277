"""Passwords never survive redaction, however a connection string is written."""

from __future__ import annotations

import urllib.parse

import psycopg2.extensions
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from common.redaction import MASK, Redactor

# What libpq can be told at all.
ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(ANYTHING)
@example("a'b")
@example("\\")
@example("a b\n'c\\")
@example("'")
@example("end\\'")
def test_quoted_in_a_keyword_dsn(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    dsn = f"host=db password='{quoted}' user=reader"
    assert psycopg2.extensions.parse_dsn(dsn)["password"] == password  # it is what libpq would read
    assert Redactor().redact(f"cannot open {dsn}: no") == f"cannot open host=db password={MASK} user=reader: no"


@given(ANYTHING)
@example("ab'cd")
@example("a\u00a0b")
def test_bare_in_a_keyword_dsn(password: str) -> None:
    bare = "".join(f"\\{c}" if c in " \t\n\r\f\v\\" else c for c in password)
    assume(not bare.startswith("'"))
    dsn = f"password = {bare} host=db"
    assert psycopg2.extensions.parse_dsn(dsn)["password"] == password
    assert Redactor().redact(f"cannot open {dsn}") == f"cannot open password = {MASK} host=db"


@given(ANYTHING.filter(lambda text: "/" not in text and "@" not in text), st.booleans())
@example("pa?ss#word", False)
@example("two words", False)
def test_in_a_postgresql_url(password: str, quote: bool) -> None:
    written = urllib.parse.quote(password, safe="") if quote else password.replace("%", "%25")
    url = f"postgresql://reader:{written}@db:5432/tickets?sslmode=require"
    assert psycopg2.extensions.parse_dsn(url)["password"] == password
    masked = f"postgresql://reader:{MASK}@db:5432/tickets?sslmode=require"
    assert Redactor().redact(f"cannot open {url}: no") == f"cannot open {masked}: no"


@given(ANYTHING.filter(lambda text: not set(text) & set("/?#[]")), st.sampled_from(["", "default"]))
def test_in_a_redis_url(password: str, user: str) -> None:
    url = f"rediss://{user}:{password}@cache:6380/0"
    assert Redactor().redact(f"cannot open {url}") == f"cannot open rediss://{user}:{MASK}@cache:6380/0"


@given(ANYTHING)
def test_in_the_query_of_a_url(password: str) -> None:
    url = f"postgresql://db/tickets?user=x&password={urllib.parse.quote(password, safe='')}"
    assert Redactor().redact(url) == f"postgresql://db/tickets?user=x&password={MASK}"


WORD = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=6, max_size=30)


@given(WORD, st.sampled_from(["keyword", "url", "query"]))
@example("it's-'quoted'", "keyword")
@example("trailing-quote'", "keyword")
def test_a_learned_password_is_masked_in_every_form_and_place(password: str, style: str) -> None:
    learned = Redactor()
    encoded = urllib.parse.quote(password, safe="")
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    learned.learn_dsn(
        {
            "keyword": f"host=db password='{quoted}'",
            "url": f"redis://:{encoded}@cache",
            "query": f"postgresql://db/x?password={encoded}",
        }[style]
    )
    assert password not in learned.redact(f"<{password}>")
    assert encoded not in learned.redact(f"<{encoded}>")


@given(st.text(max_size=200))
def test_redaction_never_fails(text: str) -> None:
    learned = Redactor()
    learned.learn_dsn(text)
    learned.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.1:9090/metrics",
        "connection to server at 127.0.0.1, port 5432 failed",
        "GET http://host:80/path?q=a@b",
        "postgresql://reader@db:5432/tickets",
        "redis://cache:6379/0",
        "fe_sendauth: no password supplied",
        'password authentication failed for user "monitoring_reader"',
    ],
)
def test_what_holds_no_secret_is_left_alone(text: str) -> None:
    learned = Redactor()
    learned.learn_dsn(text)
    assert learned.redact(text) == text


def test_an_unfinished_quotation_is_masked_to_its_end() -> None:
    assert Redactor().redact("password='abc def") == f"password={MASK}"


def test_a_slash_that_was_not_encoded_does_not_show_the_piece_before_it() -> None:
    learned = Redactor()
    learned.learn_dsn("postgresql://reader:Kq7+aa/x9=@db/tickets")
    assert learned.redact('invalid integer value "Kq7+aa" for option "port"') == (
        f'invalid integer value "{MASK}" for option "port"'
    )
    learned.learn_dsn("postgresql://db:5432/tickets?application_name=me@here")
    assert learned.redact("port 5432") == "port 5432"
