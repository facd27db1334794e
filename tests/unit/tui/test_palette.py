"""Colours and signs that the terminal has."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from rich.color import Color, ColorSystem

from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def true_colours_afterwards() -> Iterator[None]:
    yield
    palette.suit("truecolor")


def test_with_256_colours_the_grounds_stay_apart_and_are_what_is_shown() -> None:
    grounds = (
        palette.BACKGROUND, palette.SURFACE, palette.PANEL, palette.CURSOR, palette.FLASH,
        palette.LINE,
    )  # fmt: skip
    palette.suit("256")
    shown = [Color.parse(palette.shade(ground)) for ground in grounds]
    reduced = [colour.downgrade(ColorSystem.EIGHT_BIT) for colour in shown]
    assert len({colour.number for colour in reduced}) == len(grounds)
    assert [c.get_truecolor() for c in reduced] == [c.get_truecolor() for c in shown]
    assert palette.theme().background == palette.shade(palette.BACKGROUND) != palette.BACKGROUND
    assert palette.style(palette.TEXT).bgcolor == shown[0]


def test_with_all_colours_ours_are_used() -> None:
    palette.suit("truecolor")
    assert palette.theme().background == palette.BACKGROUND
    assert palette.shade(palette.CURSOR) == palette.CURSOR


@pytest.mark.parametrize(
    ("environment", "glyphs"),
    [
        ({"LANG": "C.UTF-8"}, palette.UNICODE),
        ({"LANG": "de_DE.utf8"}, palette.UNICODE),
        ({}, palette.UNICODE),
        ({"LANG": "C"}, palette.ASCII),
        ({"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, palette.ASCII),
        ({"LANG": "C.UTF-8", "LC_CTYPE": "de_DE.ISO-8859-1"}, palette.ASCII),
        ({"LANG": "C", "LC_ALL": "en_US.UTF-8"}, palette.UNICODE),
        ({"LANG": "C.UTF-8", "TERM": "vt100"}, palette.ASCII),
        ({"LANG": "C.UTF-8", "FLUX_TOP_ASCII": "1"}, palette.ASCII),
    ],
)
def test_the_locale_decides_on_the_signs(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], glyphs: palette.Glyphs
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "FLUX_TOP_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert palette.terminal_glyphs() is glyphs
