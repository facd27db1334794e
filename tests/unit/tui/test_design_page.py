"""The page on the looks of the console names every role and every sign."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.model.themes import ROLES
from tui.widgets.palette import ASCII, UNICODE

PAGE = (Path(__file__).parents[3] / "docs" / "console-design.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("role", ROLES)
def test_the_page_has_the_role(role: str) -> None:
    assert f"`{role}`" in PAGE


@pytest.mark.parametrize("name", UNICODE._fields)
def test_the_page_has_the_sign(name: str) -> None:
    signs = getattr(UNICODE, name)
    if isinstance(signs, str):
        for sign in signs.strip():
            assert sign in PAGE, sign
        assert getattr(ASCII, name).isascii()
