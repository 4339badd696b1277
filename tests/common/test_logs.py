"""Log lines."""

from __future__ import annotations

import json
import logging

import pytest

from common.logs import Formatter
from common.redaction import MASK, redactor


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_logs_are_one_line_each_and_without_secrets(style: str) -> None:
    redactor.learn("log-hush")
    try:
        raise ValueError("in a traceback: log-hush")
    except ValueError as error:
        record = logging.LogRecord(
            "name", logging.ERROR, __file__, 1, "odd\n%s", ("log-hush",), (type(error), error, None)
        )
    line = Formatter(style).format(record)
    assert "\n" not in line
    assert "log-hush" not in line
    if style == "json":
        assert json.loads(line)["msg"] == f"odd\n{MASK}"
    else:
        assert f'level=error logger=name msg="odd\\n{MASK}"' in line
