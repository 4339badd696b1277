"""Keeping secrets out of everything that is printed."""

from __future__ import annotations

import re
import urllib.parse

MASK = "***"
SHORTEST_SECRET = 3

# As libpq and redis-py read them: a keyword's value without quotes ends at ASCII white space and may have quotes in
# it, and before the @ of a URL anything but a slash may be in the password.
_KEYWORD_PASSWORD = re.compile(
    r"\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*(?:'|\\?$)|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_DATABASE = r"(?:postgres|postgresql|rediss?(?:\+sentinel)?|unix)://"
_URL_PASSWORDS = (
    re.compile(rf"({_DATABASE}[^/@:]*):([^/]+)@"),
    re.compile(r"(://[^\s/@:]*):([^\s/]+)@", re.ASCII),
)
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl_?|sentinel_)?password=)([^\s&#]+)", re.IGNORECASE)
# A / ? # or @ that should have been written as %2F and so on: the pieces are then taken for a host, a port or a path,
# and quoted in messages.
_BROKEN_URL = re.compile(rf"{_DATABASE}[^/@:]*:(?!\d*/)(.*[/?#@].*)@", re.DOTALL)
_CERTIFICATE = re.compile(r", certificate is not valid for '[^']*'")


class Redactor:
    """Replaces secrets in text: those it has learned, and whatever looks like a password in a DSN or URL."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, secret: str) -> None:
        """Remember a password, token or key, also in its decoded and quoted forms."""
        forms = {secret, re.sub(r"\\(.)", r"\1", secret, flags=re.DOTALL)}
        forms |= {urllib.parse.unquote(form) for form in forms}
        forms |= {urllib.parse.quote(form, safe="") for form in forms}
        self._known |= {form for form in forms if len(form) >= SHORTEST_SECRET}

    def learn_dsn(self, text: str) -> None:
        """Remember the passwords found in a DSN or URL."""
        found = [
            value[1:].removesuffix("'") if value.startswith("'") else value
            for _, value in _KEYWORD_PASSWORD.findall(text)
        ]
        for pattern in (*_URL_PASSWORDS, _QUERY_PASSWORD):
            found += [password for _, password in pattern.findall(text)]
        for broken in _BROKEN_URL.findall(text):
            found += [broken, *re.split(r"[/@:?#]", broken)]
        for password in found:
            self.learn(password)

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


def describe(error: BaseException) -> str:
    """What went wrong, in one line, without secrets and without the host that a certificate should have been for."""
    return redactor.redact(_CERTIFICATE.sub("", " ".join(str(error).split()))) or type(error).__name__
