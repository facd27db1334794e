"""flux.util: payloads, topics, dates, trees of settings, the frame of a command."""

from __future__ import annotations

import errno
import time
from datetime import datetime
from typing import Any

import pytest

from flux.util import (
    CLIMain,
    UtilDatetime,
    check_future_error,
    encode_payload,
    encode_topic,
    fsd,
    parse_datetime,
    parse_fsd,
    set_treedict,
)


def test_payloads_and_topics() -> None:
    assert [encode_payload(p) for p in (None, b"x", "é", {"a": 1})] == [
        None,
        b"x",
        b"\xc3\xa9",
        b'{"a":1}',
    ]
    assert encode_topic("a.b") == encode_topic(b"a.b") == b"a.b"
    with pytest.raises(OSError) as caught:
        encode_topic(None)
    assert caught.value.errno == errno.EINVAL
    number: Any = 1
    with pytest.raises(TypeError):
        encode_topic(number)


def test_a_date_is_formatted_as_outputs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    day, none = UtilDatetime(2024, 1, 2, 3, 4, 5), UtilDatetime.fromtimestamp(0)
    assert f"{day}" == "2024-01-02T03:04:05"
    assert f"{day:%Y::>8}" == "    2024"
    assert f"{day:::>21}" == "  2024-01-02T03:04:05"
    assert (f"{none:%Y}", f"{none:%Y::>4h}") == ("", "   -")
    assert str(day - UtilDatetime(2024, 1, 1)) == "1 day, 3:04:05"
    assert f"{UtilDatetime(1970, 1, 1):%Y}" == "1970"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1, "1.0s"), (12.34, "12s"), (70, "1.2m"), (299.9, "5m"), (123456, "1.4d")],
)
def test_a_duration_of_two_digits(seconds: float, text: str) -> None:
    assert fsd(seconds, 2) == text


def test_what_is_no_duration() -> None:
    assert parse_fsd("1 m") == 60
    wrong: Any = 5
    with pytest.raises(TypeError):
        parse_fsd(wrong)


def test_future_errors_carry_the_future_text() -> None:
    class Future:
        text: str | None = "why it failed"

        def error_string(self) -> str | None:
            return self.text

        @check_future_error
        def get(self) -> None:
            raise OSError(errno.ENOENT, "plain")

    with pytest.raises(OSError, match="why it failed"):
        Future().get()
    Future.text = None
    with pytest.raises(OSError, match="plain"):
        Future().get()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-06-21 8am", datetime(2030, 6, 21, 8)),
        ("+1h", datetime(2026, 1, 1, 13)),
        ("in an hour", datetime(2026, 1, 1, 13)),
        ("now", datetime(2026, 1, 1, 12)),
    ],
)
def test_dates(text: str, expected: datetime) -> None:
    assert parse_datetime(text, now=datetime(2026, 1, 1, 12)) == expected


def test_bad_date() -> None:
    with pytest.raises(ValueError, match='Invalid datetime: "no such time"'):
        parse_datetime("no such time")


def test_tree() -> None:
    tree: dict[str, Any] = {"a": 1}
    set_treedict(tree, "a.b", 2)
    set_treedict(tree, "a.c.d", 3)
    assert tree == {"a": {"b": 2, "c": {"d": 3}}}


def test_climain_turns_errors_into_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("bad thing")

    with pytest.raises(SystemExit) as caught:
        CLIMain()(fail)
    assert caught.value.code == 1
    assert capsys.readouterr().err.endswith(": bad thing\n")
    with pytest.raises(SystemExit) as caught:
        CLIMain()(lambda: None)
    assert caught.value.code == 0
