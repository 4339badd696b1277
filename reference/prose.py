"""Check the words of README, docs, runbooks and alert texts: `tools/prose.sh`.

Prints each finding as `file:line: what`, and ends with status 1 when there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from reference.alert_texts import texts
from reference.rules import ROOT

VOCABULARY = {
    r"anew": "again",
    r"(?:is|are|was|were|be|not) believed": "used, trusted",
    r"mend(?:s|ed|ing)?": "correct, repair",
    r"are not to": "must not",
    r"in spite of all that": "still",
    r"of ours": "our",
    r"in order to": "to",
    r"utili[sz]e\w*": "use",
    r"simply|obviously|of course|basically|needless to say": "nothing",
    r"whitelist|white-list": "allow-list",
    r"blacklist|black-list": "block list",
    r"(?-i:Github)": "GitHub",
    r"(?-i:k8s|K8s)": "Kubernetes",
    r"(?-i:Postgres)": "PostgreSQL",
}
"""Words that are not used, with what is written instead."""
MOST_WORDS = 45
"""Of a sentence."""
_WORDS = {re.compile(rf"\b(?:{word})\b", re.IGNORECASE): better for word, better in VOCABULARY.items()}
_BLANK = ((r"```.*?```", re.DOTALL), (r"^(?: {4,}|\|.*\|$).*$", re.MULTILINE), (r"<!--.*?-->", re.DOTALL))
_WORD = re.compile(r"[\w’'-]+")
_SENTENCE = re.compile(r"(?:[^.!?:;\n]|[.](?=\S)|[:;](?=\S)|\n(?!\n|[-#*\d]))+")


def prose(markdown: str) -> str:
    """What a person reads as sentences: without code and tables, on the same lines."""
    for pattern, flags in _BLANK:
        markdown = re.sub(pattern, lambda found: "\n" * found[0].count("\n"), markdown, flags=flags)
    markdown = re.sub(r"`[^`]*`", lambda found: "CODE" + "\n" * found[0].count("\n"), markdown)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a text with what is wrong there."""
    for pattern, better in _WORDS.items():
        for found in pattern.finditer(text):
            yield _line(text, found.start()), f"{found[0]!r}: write {better!r}"
    for found in _SENTENCE.finditer(text):
        if (count := len(_WORD.findall(found[0]))) > MOST_WORDS:
            yield _line(text, found.end()), f"a sentence of {count} words: split it"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def pages() -> dict[str, str]:
    """The texts by name."""
    listed = ["git", "ls-files", "README.md", "docs/*.md", ":!docs/benchmarks.md", ":!docs/reference"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = {name: prose((ROOT / name).read_text(encoding="utf-8")) for name in names}
    return found | {"alert-texts": texts()}


def main(command: Sequence[str]) -> int:
    """Check all; `command` is that of proselint with its settings."""
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        for name, text in pages().items():
            wrong += [f"{name}:{line}: {what}" for line, what in findings(text)]
            file = Path(directory, name.replace("/", "%"))
            file.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [command[0], "check", *command[1:], *sorted(map(str, Path(directory).iterdir()))],
            capture_output=True,
            text=True,
            check=False,
        )
        output = f"{result.stdout}{result.stderr}".replace(f"{directory}/", "").replace("%", "/")
        wrong += [line for line in output.splitlines() if line.strip()] if result.returncode else []
    print("\n".join(wrong), end="\n" if wrong else "")  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
