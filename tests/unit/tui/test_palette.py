"""Signs that the terminal has."""

from __future__ import annotations

import io
import sys

import pytest

from tui.widgets import palette


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
