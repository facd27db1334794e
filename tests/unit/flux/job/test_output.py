"""What jobs write, as programs read it: whole lines, bytes, labels, chosen tasks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from flux.job import output
from flux.job.follow import OUTPUT
from flux.job.output_lines import LONGEST_LINE
from tests.unit.flux.job.streaming import StreamingFlux, event

HEADER = event("header", version=1, count={"stdout": 2, "stderr": 2})


def data(rank: str, text: str, stream: str = "stdout", **more: Any) -> dict[str, Any]:
    return event("data", stream=stream, rank=rank, data=text, **more)


EVENTS = [
    HEADER,
    data("0", "one\ntw"),
    data("0-1", "both\n", "stderr"),
    event("log", rank=0, level=3, message="bad\n", component="pty"),
    event("log", rank=1, level=6, message="detail"),
    data("1", "x\r\ny"),
    data("0", base64.b64encode(b"o\xff\n").decode(), encoding="base64"),
    event("redirect", stream="stdout", rank="0", path="/tmp/x"),
    event("data", stream="stdout", rank="1", eof=True),
    data("0", "end"),
]


@pytest.fixture
def flux() -> Any:
    return StreamingFlux({(1, OUTPUT): EVENTS})


def test_text_and_bytes_come_as_a_terminal_shows_them(flux: Any) -> None:
    assert list(output.output_watch(flux, 1, log_stderr_level=3)) == [
        ("stdout", "one\ntw"),
        ("stderr", "both\n"),
        ("stderr", "flux-shell[0]: ERROR: pty: bad\n"),
        ("log", "flux-shell[1]: DEBUG: detail\n"),
        ("stdout", "x\r\ny"),
        ("stdout", "o\ufffd\n"),
        ("stderr", "0: stdout redirected to /tmp/x\n"),
        ("stdout", "end"),
    ]
    raw = [piece for _, piece in output.output_watch(flux, 1, raw=True)]
    assert (raw[-3], raw[-1]) == (b"o\xff\n", b"end")
    labelled = [text for _, text in output.output_watch(flux, 1, True, -1)]
    assert labelled[:2] == ["0: one\n0: tw", "0: both\n1: both\n"]


def test_lines_are_whole_for_each_task(flux: Any) -> None:
    lines = list(output.output_watch_lines(flux, 1, log_stderr_level=-1))
    assert [line for stream, line in lines if stream == "stdout"] == [
        "one",
        "x\r",
        "two\ufffd",
        "y",
        "end",
    ]
    assert [line for stream, line in lines if stream == "stderr"] == [
        "both",
        "both",
        "0: stdout redirected to /tmp/x",
    ]
    labelled = output.output_watch_lines(flux, 1, True, -1, keepends=True, tasks="1")
    assert list(labelled) == [
        ("stderr", "1: both\n"),
        ("log", "flux-shell[0]: ERROR: pty: bad\n"),
        ("log", "flux-shell[1]: DEBUG: detail\n"),
        ("stdout", "1: x\r\n"),
        ("stdout", "1: y"),
    ]


def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    piece = "x" * (LONGEST_LINE // 4)
    flux: Any = StreamingFlux({(1, OUTPUT): [HEADER, *(data("0", piece) for _ in range(6))]})
    lengths = [len(line) for _, line in output.output_watch_lines(flux, 1)]
    assert lengths == [LONGEST_LINE, LONGEST_LINE // 2]


def test_all_of_it_at_once(flux: Any) -> None:
    found = output.job_output(flux, 1, log_stderr_level=3)
    assert found == (
        "one\ntwx\r\nyo\ufffd\nend",
        "both\nflux-shell[0]: ERROR: pty: bad\n",
        "flux-shell[1]: DEBUG: detail\n",
    )
    assert output.job_output(flux, 1, tasks="1", labelio=True).stdout == "1: x\r\n1: y"
    assert output.job_output(flux, 1, tasks="7").stdout == ""


def test_events_have_what_was_written(flux: Any) -> None:
    events = list(output.output_event_watch(flux, 1))
    assert [one.name for one in events[:2]] == ["header", "data"]
    assert (events[0].stream, events[0].raw, events[0].eof) == ("", b"", False)
    assert (events[6].stream, events[6].rank) == ("stdout", "0")
    assert (events[6].raw, events[6].data) == (b"o\xff\n", "o\ufffd\n")
    assert events[8].eof


def test_a_future_gives_output_piece_by_piece(flux: Any) -> None:
    watch = output.output_watch_async(flux, 1, log_stderr_level=-1)
    found = []
    while (piece := watch.get_output()) != (None, None):
        found.append(piece)
    assert found[0] == ("stdout", "one\ntw")
    assert len(found) == 8
    assert watch.get_event() is None


def test_leaving_early_ends_the_watch() -> None:
    flux: Any = StreamingFlux({(1, OUTPUT): [*EVENTS, None]})
    events: Any = output.output_event_watch(flux, 1)
    assert next(events).name == "header"
    events.close()
    assert flux.sent[-1][0] == "job-info.eventlog-watch-cancel"


def test_what_is_not_there_is_told_by_its_id() -> None:
    def nothing(_payload: object) -> None:
        raise FileNotFoundError(2, "")

    flux: Any = StreamingFlux(
        {(1, OUTPUT): [FileNotFoundError(2, "")]}, {"job-info.lookup": nothing}
    )
    text = "job ƒ2 does not exist or output not ready"
    for nowait in (False, True):
        with pytest.raises(FileNotFoundError, match=text):
            output.job_output(flux, 1, nowait=nowait)


@pytest.mark.parametrize("tasks", ["x", "3-1", "-1"])
def test_wrong_tasks(flux: Any, tasks: str) -> None:
    with pytest.raises(ValueError, match="tasks must be an idset of task ranks"):
        output.output_watch(flux, 1, tasks=tasks)
