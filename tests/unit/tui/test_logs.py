"""Eventlogs, output and log records as lines."""

from __future__ import annotations

import base64
import json

import pytest

from tui.model.format import printable
from tui.model.logs import Line, OutputLog, event_line, parse_log


def data(text: str, stream: str = "stdout", rank: str = "0", **more: object) -> dict[str, object]:
    return {
        "timestamp": 1.0,
        "name": "data",
        "context": {"stream": stream, "rank": rank, "data": text, **more},
    }


def test_lines_are_held_back_until_complete() -> None:
    log = OutputLog()
    assert log.feed(data("ab")) == []
    assert log.feed(data("c\nd")) == [Line("stdout", "", "abc", 1.0)]
    assert log.feed(data("x\n", "stderr")) == [Line("stderr", "err", "x", 1.0)]
    assert log.flush() == [Line("stdout", "", "d", 1.0)]
    assert log.flush() == []


def test_end_of_file_completes_a_line() -> None:
    log = OutputLog()
    log.feed(data("tail"))
    entry = {
        "timestamp": 1.0,
        "name": "data",
        "context": {"stream": "stdout", "rank": "0", "eof": True},
    }
    assert log.feed(entry) == [Line("stdout", "", "tail", 1.0)]


def test_ranks_are_labelled_when_there_are_several() -> None:
    log = OutputLog()
    log.feed({"name": "header", "context": {"version": 1, "count": {"stdout": 2, "stderr": 2}}})
    assert log.feed(data("a\n", rank="1")) == [Line("stdout", "1", "a", 1.0)]


def test_base64_output_and_control_characters() -> None:
    log = OutputLog()
    raw = base64.b64encode(b"\xff\x1b[31mred\x1b[0m\n").decode()
    assert log.feed(data(raw, encoding="base64")) == [Line("stdout", "", "\ufffdred", 1.0)]


@pytest.mark.parametrize(
    "chunk",
    [
        data("abc", encoding="base64"),
        data("x", encoding="utf-16"),
        {"name": "data", "context": {"data": "x\n"}},
        {"name": "data", "context": {"stream": "stdout", "rank": "0", "data": 5}},
    ],
)
def test_output_that_cannot_be_read_is_told(chunk: dict[str, object]) -> None:
    (line,) = OutputLog().feed(chunk)
    assert line.kind == "notice"
    assert line.text.startswith("malformed I/O data")


def test_a_log_line_of_the_shell_has_its_level() -> None:
    entry = {"name": "log", "context": {"level": 0, "component": "output", "message": "no room\n"}}
    assert OutputLog().feed(entry) == [Line("stderr", "shell", "FATAL: output: no room")]


def test_a_progress_bar_shows_its_last_state() -> None:
    assert OutputLog().feed(data("10%\r20%\rdone\r\n")) == [Line("stdout", "", "done", 1.0)]


def test_redirection_is_told() -> None:
    entry = {"name": "redirect", "context": {"stream": "stdout", "rank": "0", "path": "out.txt"}}
    assert OutputLog().feed(entry) == [Line("notice", "", "stdout goes to file out.txt")]


def test_event_lines() -> None:
    line = event_line({"timestamp": 12.5, "name": "finish", "context": {"status": 256}})
    assert line == Line("event", "", "finish           status=256 (exit code 1)", 12.5)
    line = event_line({"timestamp": 10.0, "name": "exception", "context": {"note": "no way"}})
    assert (line.kind, line.text) == ("exception", 'exception        note="no way"')
    line = event_line({"timestamp": 1.0, "name": "shell.init", "context": {"size": 2}}, "exec")
    assert (line.kind, line.text) == ("exec", "exec.shell.init  size=2")


def test_the_context_of_an_event_is_flat() -> None:
    notes = {"sched": {"resource_summary": "rank1/core1", "queue": {"name": "a b"}}, "x": {}}
    entry = {"timestamp": 1.0, "name": "alloc", "context": {"annotations": notes, "ids": [1, 2]}}
    words = 'alloc            rank1/core1 sched.queue.name="a b" x={} ids=[1,2]'
    assert event_line(entry).text == words
    raw = event_line(entry, raw=True)
    assert json.loads(raw.text) == entry


def test_an_endless_context_ends() -> None:
    deep: dict[str, object] = {"end": 1}
    for _ in range(50):
        deep = {"in": deep}
    entry = {"timestamp": 1.0, "name": "memo", "context": deep}
    assert event_line(entry).text.startswith('memo             in.in.in.in.in={"in":{')
    for _ in range(500):
        deep = {"in": deep}
    entry = {"timestamp": 1.0, "name": "memo", "context": deep}
    assert event_line(entry).text.endswith("in=(nested too deeply to be shown)")
    assert event_line(entry, raw=True).text == "(nested too deeply to be shown)"


def test_log_record() -> None:
    record = parse_log(
        "<48>1 2026-11-21T00:20:32.520483Z 2 sched-simple 5690 - - alloc: rank0/core0\n"
    )
    assert record is not None
    assert (record.severity, record.rank, record.app, record.text) == (
        6,
        "2",
        "sched-simple",
        "alloc: rank0/core0",
    )
    assert parse_log("nonsense") is None


def test_printable_expands_tabs() -> None:
    assert printable("a\tb\x00\x7f") == "a       b\\u0000\\u007f"
