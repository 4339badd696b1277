"""The bearer token."""

from __future__ import annotations

import hmac
import logging

from common.redaction import redactor
from common.secret_text import SecretError, SecretText

logger = logging.getLogger(__name__)

SHORTEST_TOKEN = 16


class BearerToken:
    """Tokens of RESPONDER_TOKEN or RESPONDER_TOKEN_FILE, one a line.

    Two at once make rotation possible without a gap: add the new one, change the sender, remove the old one. The file
    is read again for every request.

    Args:
        tokens: with which everything may be done.
        reading: with which incidents may be read, and nothing else.
    """

    def __init__(self, tokens: SecretText, reading: BearerToken | None = None) -> None:
        self._tokens = tokens
        self._reading = reading

    def tokens(self) -> list[bytes]:
        """All tokens that are accepted.

        Raises:
            SecretError: there are none, or one is too short.
        """
        tokens = self._tokens.reveal().split()
        for token in tokens:
            redactor.learn(token)
            if len(token) < SHORTEST_TOKEN:
                raise SecretError(f"{self._tokens.origin}: a token is shorter than {SHORTEST_TOKEN} characters")
        return [token.encode() for token in tokens]

    def allows(self, header: str) -> bool:
        """Whether a request with this Authorization header may pass; takes as long whichever token it is.

        Raises:
            SecretError: see `tokens`.
        """
        scheme, _, given = header.partition(" ")
        accepted = False
        for token in self.tokens():
            # WSGI hands headers over as Latin-1.
            accepted |= hmac.compare_digest(token, given.strip().encode("latin-1", "replace"))
        return accepted and scheme.lower() == "bearer"

    def lets_read(self, header: str) -> bool:
        """Whether a request that reads incidents may pass. Tokens for reading that cannot be had let nobody in.

        Raises:
            SecretError: see `tokens`.
        """
        if self.allows(header):
            return True
        try:
            return self._reading is not None and self._reading.allows(header)
        except SecretError as error:
            logger.error("the read token cannot be used: %s", error)
            return False
