"""Connection strings and tokens, and keeping them out of everything that is printed."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import psycopg2
import psycopg2.extensions

MASK = "***"
SHORTEST_SECRET = 3
_URL_PASSWORD = re.compile(r"(://[^\s/@:]*):([^\s/]+)@")
_KEYWORD_PASSWORD = re.compile(r"(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'?|\S+)", re.IGNORECASE)


class SecretError(Exception):
    """A secret cannot be had; the message names the variable and the file."""


class Redactor:
    """Replaces in text the secrets that this process has read, and what looks like the password of a URL or DSN."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, secret: str) -> None:
        """Remember a password, token or key, also as it is written in URLs."""
        forms = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.unquote(secret)}
        self._known |= {form for form in forms if len(form) >= SHORTEST_SECRET}

    def learn_dsn(self, text: str) -> None:
        """Remember the passwords in a libpq DSN or a URL."""
        for pattern in (_URL_PASSWORD, _KEYWORD_PASSWORD):
            for _, password in pattern.findall(text):
                self.learn(password.strip("'"))
        try:
            parsed = psycopg2.extensions.parse_dsn(text)
        except psycopg2.ProgrammingError:
            return  # not one of PostgreSQL's
        for name in ("password", "sslpassword"):
            if parsed.get(name):
                self.learn(str(parsed[name]))

    def redact(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        return _KEYWORD_PASSWORD.sub(rf"\1{MASK}", text)


redactor = Redactor()
"""The one of this process; secrets are learned where they are read."""


class SecretText:
    """A text read from an environment variable, or from the file named by the variable with `_FILE` behind.

    A file is read again at every use, so that what is rotated is taken up. `str()` and `repr()` show only where the
    text comes from.
    """

    def __init__(self, name: str, environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._text = environ.get(name)
        self._file = environ.get(f"{name}_FILE")
        if self._text and self._file:
            raise SecretError(f"{name} and {name}_FILE are both set; one of them must go")

    @property
    def origin(self) -> str | None:
        """The variable that is set, and its file; None when neither is."""
        if self._file:
            return f"{self.name}_FILE: {self._file}"
        return self.name if self._text else None

    def reveal(self) -> str:
        """The text itself.

        Raises:
            SecretError: neither variable is set, or the file cannot be read or is empty.
        """
        if not self._text and not self._file:
            raise SecretError(f"neither {self.name} nor {self.name}_FILE is set")
        text = self._text or read_secret_file(Path(str(self._file)), f"{self.name}_FILE")
        redactor.learn_dsn(text)
        return text

    def __repr__(self) -> str:
        return f"<secret {self.name}>"


def read_secret_file(path: Path, what: str) -> str:
    """The content of a file, without white space around it.

    Raises:
        SecretError: it cannot be read or is empty; the message begins with `what`.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise SecretError(f"{what}: {path}: {reason}") from None
    if not text:
        raise SecretError(f"{what}: {path} is empty")
    return text
