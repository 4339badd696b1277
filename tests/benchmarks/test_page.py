"""A table is put in its place, and nowhere else."""

from pathlib import Path

import pytest

from benchmarks.page import rewrite


def test_what_is_around_it_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<a>\n\nold\n\n<b>\n\nrest <c>\n")
    rewrite(page, "<a>", "<b>", "new")
    assert page.read_text() == "# Title\n\n<a>\n\nnew\n\n<b>\n\nrest <c>\n"


@pytest.mark.parametrize("text", ["", "<a>", "<b>", "<b> <a>", "<a> <b> <b>", "<a> <a> <b>"])
def test_a_page_without_its_place_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="have to be there once"):
        rewrite(page, "<a>", "<b>", "new")
    assert page.read_text() == text
