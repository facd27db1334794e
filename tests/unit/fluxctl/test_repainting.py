"""Lines that are drawn in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fluxctl.repainting import Repainter, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxctl.color import Role


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abcdef", 4, "abcd"),
        ("abc", 4, "abc"),
        ("日本語", 4, "日本"),
        ("日本語", 5, "日本"),
        ("e\u0301e\u0301e", 2, "e\u0301e\u0301"),
        ("ƒ2kWB", 3, "ƒ2k"),
    ],
)
def test_what_fits(text: str, width: int, expected: str) -> None:
    assert cut(text, width) == expected


def drawn(
    capsys: pytest.CaptureFixture[str], screen: Repainter, lines: Sequence[tuple[str, Role]]
) -> str:
    screen.draw(lines)
    return capsys.readouterr().out


def test_lines_are_drawn_over_the_last_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Repainter, "_size", staticmethod(lambda: os.terminal_size((5, 4))))
    screen = Repainter(color=True)
    assert screen.height == 3
    first = drawn(capsys, screen, [("abcdefg", ""), ("b", "bad")])
    assert first == "\rabcde\x1b[K\n\x1b[01;31mb\x1b[0;0m\x1b[K\n\x1b[J"
    again = drawn(capsys, screen, [(str(number), "") for number in range(9)])
    assert again == "\r\x1b[2A0\x1b[K\n1\x1b[K\n2\x1b[K\n\x1b[J"
    assert drawn(capsys, screen, []) == "\r\x1b[3A\x1b[J"
