"""Entries of eventlogs as lines for people."""

from __future__ import annotations

import io
import sys
import time

import pytest

from flux.eventlog import EventLogEvent, EventLogFormatter

SUBMIT = {
    "timestamp": 1700000000.25,
    "name": "submit",
    "context": {"userid": 5588, "s": "a b", "d": {"x": [1, 2.5]}, "n": None, "b": True},
}
DEPEND = {"timestamp": 1700000001.75, "name": "depend"}
EXCEPTION = {"timestamp": 1700090001.75, "name": "exception", "context": {"severity": 0}}


pytestmark = pytest.mark.usefixtures("utc")


def lines(*entries: dict[str, object], **how: str) -> list[str]:
    formatter = EventLogFormatter(**{"color": "never", **how})
    return [formatter.format(entry) for entry in entries]


def test_text() -> None:
    assert lines(SUBMIT, DEPEND, EXCEPTION) == [
        '1700000000.250000 submit userid=5588 s="a b" d={"x":[1,2.5]} n=null b=true',
        "1700000001.750000 depend",
        "1700090001.750000 exception severity=0",
    ]
    assert lines({"timestamp": 1, "name": "x"}) == ["   1.000000 x"]


def test_json_and_what_an_entry_may_be() -> None:
    assert lines(SUBMIT, DEPEND, format="json") == [
        '{"timestamp":1700000000.25,"name":"submit","context":{"userid":5588,"s":"a b",'
        '"d":{"x":[1,2.5]},"n":null,"b":true}}',
        '{"timestamp":1700000001.75,"name":"depend"}',
    ]
    formatter = EventLogFormatter(format="json", color="always")
    for entry in (EventLogEvent(DEPEND), '{"timestamp":1700000001.75,"name":"depend"}'):
        assert formatter.format(entry) == '{"timestamp":1700000001.75,"name":"depend"}'


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.split(" ")[0] for line in lines(SUBMIT, DEPEND, timestamp_format="iso")] == [
        "2023-11-14T22:13:20.250000Z",
        "2023-11-14T22:13:21.750000Z",
    ]
    assert lines(DEPEND, EXCEPTION, timestamp_format="offset") == [
        "       0.000000 depend",
        "   90000.000000 exception severity=0",
    ]
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    assert lines(DEPEND, timestamp_format="iso") == ["2023-11-14T17:13:21.750000-0500 depend"]
    assert lines(DEPEND, timestamp_format="human") == ["[Nov14 17:13] depend"]


def test_times_for_people_are_full_or_seconds_since_the_last_full_one() -> None:
    times = (1700000000.25, 1700000039.0, 1700000041.0, 1700000100.9, 1700000160.89, 1700000160.9)
    entries = [{"timestamp": when, "name": "a"} for when in times]
    assert lines(*entries, timestamp_format="human") == [
        "[Nov14 22:13] a",
        "[ +38.750000] a",
        "[ +40.750000] a",
        "[Nov14 22:15] a",
        "[ +59.990000] a",
        "[Nov14 22:16] a",
    ]
    assert lines(*entries[1::-1], timestamp_format="human")[1] == "[ -38.750000] a"


def test_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"timestamp": 1.0, "name": "exception", "context": {"n": -3, "z": False}}
    colored = (
        "\033[32m   1.000000\033[0m \033[1m\033[31mexception\033[0m "
        "\033[34mn\033[0m=\033[37m-3\033[0m \033[34mz\033[0m=\033[35mfalse\033[0m"
    )
    assert lines(entry, color="always") == [colored]
    assert lines(DEPEND, color="always", timestamp_format="human") == [
        "\033[1m\033[32m[Nov14 22:13]\033[0m \033[33mdepend\033[0m"
    ]
    terminal = io.StringIO()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert "\033" not in lines(entry, color="auto")[0]
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    assert lines(entry, color="auto") == [colored]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in lines(entry, color="auto")[0]


def test_what_a_user_wrote_does_not_reach_the_terminal_as_it_is() -> None:
    entry: dict[str, object] = {"timestamp": 1.0, "name": "a\033[2J", "context": {"k\x9b": "v\033"}}
    for form in ("text", "json"):
        assert lines(entry, format=form)[0].isprintable()


@pytest.mark.parametrize("how", [{"format": "x"}, {"timestamp_format": "x"}, {"color": "x"}])
def test_other_words_are_refused(how: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"Invalid .*: x"):
        EventLogFormatter(**how)


@pytest.mark.parametrize("entry", ["{}", "x", "[]"])
def test_nonsense_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="eventlog entry"):
        EventLogFormatter().format(entry)
