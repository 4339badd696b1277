"""Connection strings and tokens, from the environment or from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from common.redaction import redactor

_BLANK = "\ufeff \t\r\n\f\v"


class SecretError(Exception):
    """A secret cannot be had; the message names the variable and the file."""


class SecretText:
    """A text read from an environment variable, or from the file named by the variable with `_FILE` behind.

    A file is read again at every use, so that what is rotated is taken up. White space and a byte order mark around
    the text are no part of it. It cannot be printed by accident: `str()` and `repr()` show where it comes from.
    """

    def __init__(self, name: str, environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._text = environ.get(name)
        self._file = environ.get(f"{name}_FILE")
        if self._text and self._file:
            raise SecretError(f"{name} and {name}_FILE are both set; remove one")
        if self._text:
            redactor.learn_dsn(self._text)

    @property
    def origin(self) -> str | None:
        """The variable that is set, and its file; None when neither is."""
        if self._file:
            return f"{self.name}_FILE: {self._file}"
        return self.name if self._text else None

    def reveal(self) -> str:
        """The text itself.

        Raises:
            SecretError: neither variable is set, it is empty, or the file cannot be read or is empty.
        """
        if self._text:
            if not (text := self._text.strip(_BLANK)):
                raise SecretError(f"{self.name} is empty")
            return text
        if not self._file:
            raise SecretError(f"neither {self.name} nor {self.name}_FILE is set")
        text = read_secret_file(Path(self._file), f"{self.name}_FILE")
        redactor.learn_dsn(text)
        return text

    def __repr__(self) -> str:
        return f"<secret {self.name}>"


def read_secret_file(path: Path, what: str) -> str:
    """The content of a file, without white space and a byte order mark around it.

    Raises:
        SecretError: it cannot be read or is empty; the message begins with `what`.
    """
    try:
        text = path.read_text(encoding="utf-8").strip(_BLANK)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise SecretError(f"{what}: {path}: {reason}") from None
    if not text:
        raise SecretError(f"{what}: {path} is empty")
    return text
