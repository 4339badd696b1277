"""Text from a database that keeps any bytes.

With the encoding SQL_ASCII PostgreSQL keeps what it is given. psycopg2 would fail on the first byte that is not ASCII,
and the whole answer with it, so that one name that a stranger typed would hide all others. Here it is text as
`byte_text` shows it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from psycopg2.extensions import encodings

from exporter.sources.byte_text import ERRORS, shown

if TYPE_CHECKING:
    from typing_extensions import Buffer

ENCODING = "SQL_ASCII"
"""PostgreSQL's name for it."""
_CODEC = "utf_8_or_any_bytes"


def _decode(data: Buffer, errors: str = "strict") -> tuple[str, int]:  # noqa: ARG001
    text, length = codecs.utf_8_decode(data, ERRORS, True)
    return shown(text), length


def _search(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(codecs.utf_8_encode, _decode, name=_CODEC) if name == _CODEC else None


codecs.register(_search)
# psycopg2 looks encodings up without underscores.
encodings[ENCODING.replace("_", "")] = _CODEC
