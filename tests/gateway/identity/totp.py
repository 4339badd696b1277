"""One-time passwords as Google Authenticator makes them (RFC 6238: SHA-1, 6 digits, 30 s)."""

import base64
import hmac
import time

PERIOD = 30


def code(secret: str, at: float | None = None) -> str:
    """The code of a Base32 secret at unix seconds, or now."""
    key = base64.b32decode(secret.replace(" ", "").upper() + "=" * (-len(secret.replace(" ", "")) % 8))
    counter = int((time.time() if at is None else at) // PERIOD)
    digest = hmac.digest(key, counter.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def next_period(margin: float = 1.0) -> None:
    """Wait until the next code is valid."""
    time.sleep(PERIOD - time.time() % PERIOD + margin)
