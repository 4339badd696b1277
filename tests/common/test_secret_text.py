"""Texts from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.redaction import MASK, redactor
from common.secret_text import SecretError, SecretText


def test_from_the_environment_and_never_printed() -> None:
    secret = SecretText("REDIS_URL", {"REDIS_URL": "redis://:env-hush@cache"})
    assert secret.reveal() == "redis://:env-hush@cache"
    assert f"{secret} {secret!r}" == "<secret REDIS_URL> <secret REDIS_URL>"
    assert "env-hush" not in redactor.redact("the password env-hush")


def test_a_file_is_read_again_at_every_use(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("host=db password=first-one\n")
    secret = SecretText("POSTGRES_DSN", {"POSTGRES_DSN_FILE": str(file)})
    assert secret.reveal() == "host=db password=first-one"
    file.write_text("host=db password=second-one\n")
    assert secret.reveal() == "host=db password=second-one"
    assert redactor.redact("first-one second-one") == f"{MASK} {MASK}"


def test_errors_name_the_variable_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    with pytest.raises(SecretError, match=r"^A and A_FILE are both set; remove one$"):
        SecretText("A", {"A": "x", "A_FILE": "y"})
    with pytest.raises(SecretError, match=r"^neither A nor A_FILE is set$"):
        SecretText("A", {}).reveal()
    secret = SecretText("A", {"A_FILE": str(file)})
    with pytest.raises(SecretError, match=f"^A_FILE: {file}: No such file or directory$"):
        secret.reveal()
    file.write_text(" \n")
    with pytest.raises(SecretError, match=f"^A_FILE: {file} is empty$"):
        secret.reveal()
    file.write_bytes(b"\xff")
    with pytest.raises(SecretError, match=f"^A_FILE: {file}: is not UTF-8$"):
        secret.reveal()


@pytest.mark.parametrize("around", ["\n", " {} ", "\ufeff{}\r\n", "\t{}\n\n"])
def test_white_space_and_a_byte_order_mark_are_no_part_of_it(tmp_path: Path, around: str) -> None:
    text = around.format("redis://:padded-hush@cache") if "{}" in around else "redis://:padded-hush@cache" + around
    (tmp_path / "url").write_text(text, encoding="utf-8")
    assert SecretText("U", {"U": text}).reveal() == "redis://:padded-hush@cache"
    assert SecretText("U", {"U_FILE": str(tmp_path / "url")}).reveal() == "redis://:padded-hush@cache"
