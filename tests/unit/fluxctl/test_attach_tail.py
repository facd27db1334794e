"""The last lines of the output that is there when somebody attaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.job.event import EventLogEvent
from fluxctl.attach_tail import Tail, count_lines
from fluxctl.attach_view import (
    STDERR,
    STDOUT,
    AttachOptions,
    AttachView,
    CountOutput,
    Print,
    WatchOutput,
)


def data(text: str, stream: str = "stdout") -> EventLogEvent:
    context = {"stream": stream, "rank": "0", "data": text}
    return EventLogEvent({"timestamp": 1.0, "name": "data", "context": context})


def shown(lines: int, chunks: list[str], later: str = "") -> str:
    tail = Tail(lines, [data(chunk) for chunk in chunks])
    return "".join(tail.cut(chunk.encode()).decode() for chunk in [*chunks, later])


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, ""), (1, "d"), (2, "c\nd"), (3, "b\nc\nd"), (9, "a\nb\nc\nd")]
)
def test_the_last_lines_are_left(lines: int, expected: str) -> None:
    assert shown(lines, ["a\nb\n", "c\n", "d"]) == expected
    assert shown(lines, ["a\nb\n", "c\n", "d"], "\ne\n") == expected + "\ne\n"


@given(st.lists(st.text("ab\n", max_size=6), max_size=6), st.integers(0, 8))
def test_no_more_and_no_fewer_lines(chunks: list[str], lines: int) -> None:
    there = sum(count_lines(chunk.encode()) for chunk in chunks)
    tail = Tail(lines, [data(chunk) for chunk in chunks])
    left = [tail.cut(chunk.encode()) for chunk in chunks]
    assert sum(count_lines(chunk) for chunk in left) == min(lines, there)
    assert "".join(chunks).encode().endswith(b"".join(left))


def test_what_is_no_output_counts_for_nothing() -> None:
    broken = EventLogEvent({"timestamp": 1.0, "name": "data", "context": {"stream": "stdout"}})
    header = EventLogEvent({"timestamp": 1.0, "name": "header", "context": {}})
    assert Tail(1, [header, broken, data("a\n")]).cut(b"a\n") == b"a\n"


def test_the_output_is_counted_before_it_is_watched() -> None:
    view = AttachView(AttachOptions(tail=2, read_only=True))
    for name in ("submit", "start"):
        view.job_event(EventLogEvent({"timestamp": 1.0, "name": name}))
    context = {"leader-rank": 0, "size": 1, "service": "0-shell-1"}
    init = EventLogEvent({"timestamp": 1.0, "name": "shell.init", "context": context})
    assert view.exec_event(init) == [CountOutput()]
    # All that was watched may have ended before the answer: the end still comes after the output.
    assert view.over() == []
    assert view.counting
    there = [data("1\n"), data("2\n"), data("3\n", "stderr")]
    assert view.counted(there) == [WatchOutput()]
    assert not view.counting
    assert [action for one in there for action in view.output_event(one)] == [
        Print(STDOUT, b"2\n"),
        Print(STDERR, b"3\n"),
    ]


def test_quiet_leaves_away_what_the_shell_logs() -> None:
    log = EventLogEvent({"timestamp": 1.0, "name": "log", "context": {"message": "so", "rank": 0}})
    assert AttachView(AttachOptions()).output_event(log)
    assert AttachView(AttachOptions(quiet=True)).output_event(log) == []


def test_a_chunk_of_many_lines_is_cut_at_once() -> None:
    many = "line\n" * 500_000
    tail = Tail(2, [data(many)])
    assert tail.cut(many.encode()) == b"line\nline\n"
