"""Basic authentication against bcrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping

MOST_REMEMBERED = 100


class BasicAuth:
    """Checks the Authorization header.

    bcrypt is slow on purpose, and Prometheus comes once a second: what was right once is remembered, as a keyed
    hash and for as long as the users stay the same.
    """

    # What an unknown user's password is checked against, so that the answer takes as long.
    _NOBODY = b"$2b$10$pU4qKPTuuxbP/u01yAgdZ.BTed.5rNUaEkJ8CFSiYGTKf99aalksK"

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = {user: hashed.encode() for user, hashed in users.items()}
        self._key = os.urandom(32)
        self._remembered: set[bytes] = set()

    def allows(self, header: str) -> bool:
        """Whether a request with this header may pass; always when there are no users."""
        if not self._users:
            return True
        user, password = _credentials(header)
        if user is None or password is None:
            return False
        hashed = self._users.get(user, self._NOBODY)
        token = hmac.digest(self._key, user.encode() + b"\0" + hashed + password, hashlib.sha256)
        if token in self._remembered:
            return True
        import bcrypt  # half a megabyte that is not needed without users

        # bcrypt looks at no more than 72 bytes, and the library refuses longer ones.
        if not bcrypt.checkpw(password[:72], hashed) or user not in self._users:
            return False
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered.add(token)
        return True


def _credentials(header: str) -> tuple[str | None, bytes | None]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, separator, password = base64.b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password) if separator else (None, None)
    except ValueError:  # not base64, not ASCII, not UTF-8
        return None, None
