"""Log files that grow, are rotated, are emptied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from flux.seg.follow_file import LINE_MAX, FileFollower, LineSplitter

if TYPE_CHECKING:
    import pathlib


def lines(follower: FileFollower) -> list[str]:
    return [line for some in follower.ready() for line in some]


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_whole_wherever_the_bytes_are_cut(pieces: list[bytes]) -> None:
    splitter = LineSplitter()
    found = [line for piece in pieces for line in splitter.take(piece)] + splitter.rest()
    expected = b"".join(pieces).split(b"\n")
    if not expected[-1]:
        del expected[-1]
    assert [os.fsencode(line) for line in found] == expected


def test_a_line_that_has_no_end_is_left_out() -> None:
    splitter = LineSplitter()
    assert splitter.take(b"one\n" + b"x" * (LINE_MAX + 1)) == ["one"]
    assert splitter.take(b"x" * 100) == []
    assert splitter.take(b"the end\ntwo\n") == ["two"]


def test_a_file_that_grows_by_parts_of_lines(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    follower = FileFollower(str(path))
    assert lines(follower) == [], "it is not there yet"
    with path.open("w") as file:
        for text, expected in [("one\ntw", ["one"]), ("o", []), ("\nthree\n", ["two", "three"])]:
            file.write(text)
            file.flush()
            assert lines(follower) == expected
    follower.close()


def test_a_file_that_is_rotated_is_read_to_its_end(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")
    follower = FileFollower(str(path))
    assert lines(follower) == ["one"]
    with path.open("a") as file:
        path.rename(tmp_path / "log.1")
        file.write("two\n")
        file.flush()
        assert lines(follower) == ["two"], "nothing has taken its place yet"
        path.write_text("four\n")
        assert lines(follower) == []
        file.write("three\nhal")
        file.flush()
        assert lines(follower) == ["three"], "who wrote it has it open a little longer"
    assert lines(follower) == ["hal", "four"]
    with path.open("a") as file:
        file.write("five\n")
    assert lines(follower) == ["five"]
    follower.close()


def test_a_file_that_is_emptied_is_read_from_its_beginning(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nhalf")
    follower = FileFollower(str(path))
    assert lines(follower) == ["one", "two"]
    os.truncate(path, 0)
    assert lines(follower) == []
    with path.open("a") as file:
        file.write("three\n")
    assert lines(follower) == ["three"]
    follower.close()
