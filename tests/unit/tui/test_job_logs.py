"""A job's lines across lost connections."""

from __future__ import annotations

import errno

from flux.job.event import EventLogEvent
from flux.job.follow import EXEC, MAIN, OUTPUT, Entries, Failed
from tui.model.job_logs import JobLines
from tui.model.logs import Gap


def events(path: str, *named: tuple[float, str]) -> Entries:
    return Entries(path, [EventLogEvent({"timestamp": t, "name": name}) for t, name in named])


def output(*texts: str) -> Entries:
    return Entries(
        OUTPUT,
        [
            EventLogEvent(
                {
                    "timestamp": 1.0,
                    "name": "data",
                    "context": {"stream": "stdout", "rank": "0", "data": text},
                }
            )
            for text in texts
        ],
    )


def test_what_was_read_stays_and_is_not_read_twice() -> None:
    logs = JobLines()
    first = logs.take([events(MAIN, (1.0, "submit"), (2.0, "start")), output("a\n", "b\nc")])
    assert [line.text for line in first.output] == ["a", "b"]
    again = logs.take(
        [
            Gap(3.0, 4.0),
            events(MAIN, (1.0, "submit")),
            events(MAIN, (2.0, "start"), (5.0, "finish")),
            output("a\n"),
            output("b\nc", "d\n", "e\n"),
        ]
    )
    assert [line.text for line in again.output][1:] == ["cd", "e"]
    assert again.output[0].text.startswith("--- connection lost ")
    names = [line.text.split()[0] for line in logs.events]
    assert names == ["submit", "start", "---", "finish"]


def test_a_job_whose_output_is_gone_keeps_what_was_shown() -> None:
    logs = JobLines()
    logs.take([output("a\n")])
    found = logs.take([Gap(1.0, 2.0), Failed(OUTPUT, OSError(errno.EIO, "disk\x1b[2J"))])
    assert found.output[1].text == "the output cannot be read: disk\\u001b[2J"
    assert logs.received


def test_events_of_two_logs_are_put_in_order() -> None:
    logs = JobLines()
    assert not logs.take([events(MAIN, (1.0, "submit"), (4.0, "clean"))]).reordered
    assert logs.take([events(EXEC, (2.0, "init"))]).reordered
    assert [line.text.split()[0] for line in logs.events] == ["submit", "exec.init", "clean"]


def test_the_unfinished_line_is_shown_at_the_end() -> None:
    logs = JobLines()
    logs.take([output("a\nrest")])
    assert [line.text for line in logs.finish()] == ["rest"]
