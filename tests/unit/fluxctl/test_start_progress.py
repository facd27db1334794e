"""How far the start of many brokers has come."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from fluxctl import start_progress
from fluxctl.start_progress import StartProgress

if TYPE_CHECKING:
    import pathlib

    import pytest


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_brokers_are_counted_as_they_come_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(start_progress, "QUIET", 0.0)
    progress = StartProgress(2, str(tmp_path))
    (tmp_path / "start").touch()
    assert progress.show(over=False)
    (tmp_path / "local-0").touch()
    assert progress.show(over=False)
    assert progress.show(over=False)
    (tmp_path / "local-1").touch()
    assert not progress.show(over=False)
    (tmp_path / "local-1").unlink()
    assert not progress.show(over=False)
    assert screen.getvalue() == (
        "\rflux-start: 0 of 2 brokers are up\x1b[K\rflux-start: 1 of 2 brokers are up\x1b[K\r\x1b[K"
    )


def test_a_quick_start_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(start_progress, "QUIET", 1e9)
    progress = StartProgress(1, str(tmp_path))
    assert progress.show(over=False)
    (tmp_path / "local-0").touch()
    assert not progress.show(over=False)
    assert screen.getvalue() == ""


def test_nothing_is_said_elsewhere_or_once_it_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(start_progress, "QUIET", 0.0)
    plain, screen = io.StringIO(), Screen()
    monkeypatch.setattr("sys.stderr", plain)
    assert not StartProgress(2, str(tmp_path)).show(over=False)
    monkeypatch.setattr("sys.stderr", screen)
    assert not StartProgress(2, str(tmp_path)).show(over=True)
    assert StartProgress(2, str(tmp_path / "absent")).show(over=False)
    assert plain.getvalue() == ""
    assert screen.getvalue() == "\rflux-start: 0 of 2 brokers are up\x1b[K"
