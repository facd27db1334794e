"""Going on after what the reader has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.seg.jobs import RETELL_SECONDS
from flux.seg.protocol import GramState, StateChange
from flux.seg.record import Unseen, read_record, trim

if TYPE_CHECKING:
    import pathlib

LONG_AGO = int(RETELL_SECONDS) * 10


def test_no_record_yet(tmp_path: pathlib.Path) -> None:
    assert read_record(str(tmp_path / "none"), 5.0) is None
    (tmp_path / "empty").write_bytes(b"")
    assert read_record(str(tmp_path / "empty"), 5.0) is None
    (tmp_path / "half").write_bytes(b"001;5;a;1;0")
    assert read_record(str(tmp_path / "half"), 5.0) is None
    with pytest.raises(IsADirectoryError):
        read_record(str(tmp_path), 5.0)


def test_the_end_of_a_record(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    old = b"".join(b"001;%d;old%d;1;0\n" % (1000 + n, n) for n in range(100))
    last = 1000 + LONG_AGO
    path.write_bytes(
        old
        + b"002;something else\n\xff\xfe\n"
        + b"001;%d;a;1;0\n001;%d;a;8;3\n001;%d;b;1;0" % (last - 10, last, last)
    )
    record = read_record(str(path), last + 5.0)
    assert record is not None
    assert record.timestamp == last - RETELL_SECONDS
    assert record.changes == (
        StateChange(last - 10, "a", GramState.PENDING, 0),
        StateChange(last, "a", GramState.DONE, 3),
    )


def test_nothing_before_the_first_line_is_missing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"001;1000;a;1;0\n001;1001;a;2;0\n")
    record = read_record(str(path), 1002.0)
    assert record is not None
    assert record.timestamp == 1000


def test_a_clock_that_was_ahead(tmp_path: pathlib.Path) -> None:
    """The last line is of a time that is still to come; what happens next has today's."""
    path = tmp_path / "log"
    path.write_bytes(b"001;1000;a;1;0\n001;999999;a;2;0\n")
    record = read_record(str(path), 5000.0)
    assert record is not None
    assert record.timestamp == 5000 - RETELL_SECONDS
    assert [change.state for change in record.changes] == [GramState.ACTIVE]


def test_a_record_that_was_begun_while_the_clock_was_ahead(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"001;999999;a;1;0\n")
    record = read_record(str(path), 5000.0)
    assert record is not None
    assert record.timestamp == 5000 - RETELL_SECONDS


def test_line_ends_of_other_systems(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"001;1000;a;1;0\r\n001;1001;a;2;0\r\n")
    record = read_record(str(path), 1002.0)
    assert record is not None
    assert [change.state for change in record.changes] == [GramState.PENDING, GramState.ACTIVE]


def test_a_file_of_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"to do:\n\xff\xfe\n")
    with pytest.raises(OSError, match="there is no line of the SEG protocol in it"):
        read_record(str(path), 5.0)
    path.write_bytes(b"002;what a module of a site tells\n")
    assert read_record(str(path), 5.0) is None


def test_lines_that_were_seen_are_kept_back_as_often_as_they_were() -> None:
    seen = StateChange(5, "a", GramState.PENDING, 0)
    unseen = Unseen([seen, seen])
    line = b"001;5;a;1;0\n"
    assert [unseen.is_new(line) for _ in range(4)] == [False, False, True, True]
    assert unseen.is_new(b"002;another message\n")


def test_half_a_line_is_taken_away_from_a_record_that_is_added_to(tmp_path: pathlib.Path) -> None:
    path, other = tmp_path / "log", tmp_path / "other"
    trim(str(path), 1)
    for text, whole in [(b"", b""), (b"half", b""), (b"one\n", b"one\n"), (b"one\ntw", b"one\n")]:
        path.write_bytes(text)
        with path.open("ab") as file, other.open("wb") as elsewhere:
            trim(str(path), elsewhere.fileno())
            assert path.read_bytes() == text, "others write to it"
            trim(str(path), file.fileno())
            file.write(b"next\n")
        assert path.read_bytes() == whole + b"next\n"
