"""How far the start of many brokers has come."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from fluxctl import start_progress
from fluxctl.start_progress import StartProgress

if TYPE_CHECKING:
    import pytest


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_brokers_are_counted_as_they_join(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(start_progress, "QUIET", 0.0)
    progress = StartProgress(4)
    told = [progress.show(number, over=False) for number in (0, 1, 1, 4, 4)]
    assert told == [True, True, True, False, False]
    assert screen.getvalue() == (
        "\rflux-start: 0 of 4 brokers have joined\x1b[K"
        "\rflux-start: 1 of 4 brokers have joined\x1b[K\r\x1b[K"
    )


def test_a_quick_start_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(start_progress, "QUIET", 1e9)
    progress = StartProgress(2)
    assert progress.show(1, over=False)
    assert not progress.show(2, over=False)
    assert screen.getvalue() == ""


def test_nothing_is_said_elsewhere_or_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_progress, "QUIET", 0.0)
    plain = io.StringIO()
    monkeypatch.setattr("sys.stderr", plain)
    assert not StartProgress(2).show(0, over=False)
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    assert not StartProgress(2).show(0, over=True)
    assert (plain.getvalue(), screen.getvalue()) == ("", "")
