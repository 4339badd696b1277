"""The words that the prose linter notices, and what it leaves alone."""

import pytest

from reference.alert_texts import texts
from reference.prose import MOST_WORDS, findings, prose


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("Restart it.\n\nIt reads all rows anew.", 3, "anew"),
        ("Only Prometheus is believed.", 1, "is believed"),
        ("In order to stop it, press Ctrl-C.", 1, "In order to"),
        ("Ask Github.", 1, "Github"),
    ],
)
def test_a_word_that_is_not_used_is_named_with_its_line(text: str, line: int, word: str) -> None:
    ((found, what),) = findings(text)
    assert found == line
    assert repr(word) in what


def test_a_sentence_has_a_longest_length() -> None:
    assert not list(findings("word " * MOST_WORDS + "."))
    assert len(list(findings("word " * (MOST_WORDS + 1) + "."))) == 1
    assert not list(findings("word " * MOST_WORDS + ". " + "word " * MOST_WORDS + "."))


@pytest.mark.parametrize(
    "text", ["`anew`", "```sh\nanew\n```", "Text:\n\n    anew\n", "| anew |\n", "[page](docs/anew.md)"]
)
def test_code_tables_and_addresses_are_no_prose(text: str) -> None:
    assert not list(findings(prose(text)))


def test_lines_stay_where_they_are() -> None:
    text = "One.\n\n```sh\na\nb\n```\n\nanew"
    assert [line for line, _ in findings(prose(text))] == [text.count("\n") + 1]


def test_alert_texts_have_no_templates() -> None:
    assert "{{" not in texts()
    assert "First buy a ticket yourself" in texts()
