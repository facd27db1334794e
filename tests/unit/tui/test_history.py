"""What was typed before."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tui import history_file
from tui.model.history import LONGEST, MOST, TypedLines

if TYPE_CHECKING:
    from pathlib import Path


def test_going_back_and_forth_ends_with_what_was_typed() -> None:
    history = TypedLines(["one", "two", "three"])
    assert [history.older("t"), history.older("t"), history.older("t")] == ["three", "two", None]
    assert [history.newer(), history.newer(), history.newer()] == ["three", "t", None]


def test_typing_begins_at_the_newest_again() -> None:
    history = TypedLines(["one", "two"])
    assert history.older("") == "two"
    history.start()
    assert history.older("") == "two"


def test_a_line_once_more_is_the_newest_of_all_and_told_once() -> None:
    kept: list[str] = []
    history = TypedLines(["a", "b"], kept.append)
    for line in ("a", "a", "  ", "x\x1b[31m", "y" * (LONGEST + 1)):
        history.add(line)
    assert history.lines == ["b", "a"]
    assert kept == ["a"]


def test_the_oldest_lines_are_forgotten() -> None:
    history = TypedLines(str(number) for number in range(MOST + 5))
    assert len(history.lines) == MOST
    assert history.lines[-1] == str(MOST + 4)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "flux" / history_file.QUERIES


def test_a_history_outlives_the_dashboard_and_is_its_owners_alone(place: Path) -> None:
    history_file.history(history_file.QUERIES).add("state:run")
    history_file.history(history_file.QUERIES).add("user:me")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert history_file.history(history_file.QUERIES).lines == ["state:run", "user:me"]


def test_a_long_file_is_shortened(place: Path) -> None:
    place.parent.mkdir()
    place.write_text("".join(f"line {number}\n" for number in range(5 * MOST)))
    place.chmod(0o600)
    assert len(history_file.history(history_file.QUERIES).lines) == MOST
    assert len(place.read_text().splitlines()) == MOST


def test_what_cannot_be_kept_is_remembered_until_the_end(place: Path) -> None:
    place.mkdir(parents=True)
    history = history_file.history(history_file.QUERIES)
    history.add("state:run")
    assert history.lines == ["state:run"]


def test_lines_that_cannot_be_shown_are_not_read(place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(b"good\nbad\x1b]0;x\x07\n\xff\n\n")
    assert history_file.history(history_file.QUERIES).lines == ["good", "\ufffd"]
