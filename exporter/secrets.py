"""Connection strings, and keeping their secrets out of everything that is printed."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

MASK = "***"
ESCAPING = "in the password of a URL, characters such as / ? # @ % are written as %2F %3F %23 %40 %25"
"""What to tell about a URL that cannot be taken apart."""

# As libpq and redis-py read them: a keyword's value without quotes ends at ASCII white space and may have quotes in
# it, and before the @ of a URL anything but a slash may be in the password.
_KEYWORD_PASSWORD = re.compile(
    r"\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*(?:'|\\?$)|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_DATABASE = r"(?:postgres|postgresql|redis|rediss|unix)://"
_URL_PASSWORDS = (
    re.compile(rf"({_DATABASE}[^/@:]*):([^/]+)@"),
    re.compile(r"(://[^\s/@:]*):([^\s/]+)@", re.ASCII),
)
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl)?password=)([^\s&#]+)", re.IGNORECASE)
# A / ? # or @ that should have been written as %2F and so on: the pieces are then taken for a host, a port or a path,
# and quoted in messages.
_BROKEN_URL = re.compile(rf"{_DATABASE}[^/@:]*:(?!\d*/)(.*[/?#@].*)@", re.DOTALL)


class SecretError(Exception):
    """A connection string cannot be had; the message names the variable and the file."""


class SecretText:
    """A text read from an environment variable, or from the file named by the variable with `_FILE` behind.

    A file is read again at every use, so that a rotated password is taken up with the next connection.
    It cannot be printed by accident: `str()` and `repr()` show where it comes from.
    """

    def __init__(self, name: str, environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._text = environ.get(name)
        self._file = environ.get(f"{name}_FILE")
        if self._text and self._file:
            raise SecretError(f"{name} and {name}_FILE are both set; one of them must go")
        if self._text:
            redactor.learn(self._text)

    def reveal(self) -> str:
        """The text itself.

        Raises:
            SecretError: neither variable is set, or the file cannot be read or is empty.
        """
        if self._text:
            return self._text
        if not self._file:
            raise SecretError(f"neither {self.name} nor {self.name}_FILE is set")
        try:
            text = Path(self._file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise SecretError(f"{self.name}_FILE: {self._file}: {reason}") from None
        if not text:
            raise SecretError(f"{self.name}_FILE: {self._file} is empty")
        redactor.learn(text)
        return text

    def __repr__(self) -> str:
        return f"<secret {self.name}>"


class Redactor:
    """Replaces secrets in text: those it has learned, and whatever looks like a password in a DSN or URL."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, connection_string: str) -> None:
        """Remember the passwords found in a DSN or URL, also in their decoded and quoted forms."""
        found = [
            value[1:].removesuffix("'") if value.startswith("'") else value
            for _, value in _KEYWORD_PASSWORD.findall(connection_string)
        ]
        for pattern in (*_URL_PASSWORDS, _QUERY_PASSWORD):
            found += [password for _, password in pattern.findall(connection_string)]
        for broken in _BROKEN_URL.findall(connection_string):
            found += [broken, *re.split(r"[/@:?#]", broken)]
        for password in found:
            self.learn_password(password)

    def learn_password(self, password: str) -> None:
        """Remember a password, token or key."""
        forms = {password, re.sub(r"\\(.)", r"\1", password, flags=re.DOTALL)}
        forms |= {urllib.parse.unquote(form) for form in forms}
        forms |= {urllib.parse.quote(form, safe="") for form in forms}
        self._known |= {form for form in forms if len(form) > 2}

    def redact(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        for pattern in _URL_PASSWORDS:
            text = pattern.sub(rf"\1:{MASK}@", text)
        text = _QUERY_PASSWORD.sub(rf"\1{MASK}", text)
        return _KEYWORD_PASSWORD.sub(rf"\1{MASK}", text)


redactor = Redactor()
"""The one of this process; secrets are learned where they are read."""
