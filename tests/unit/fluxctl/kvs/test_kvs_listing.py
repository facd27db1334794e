"""How ``flux kvs ls`` and ``flux kvs eventlog`` arrange what they print."""

from __future__ import annotations

import pytest

from fluxctl.commands.kvs_eventlog import format_event, log_lines
from fluxctl.commands.kvs_listing import child_key, columns, terminal_width

NAMES = ["a", "resource", "x", "y", "z"]


@pytest.mark.parametrize(
    ("names", "width", "lines"),
    [
        (NAMES, 80, ["a           resource    x           y           z"]),
        (
            ["a.", "resource.", "x", "y", "z"],
            80,
            ["a.          resource.   x           y           z"],
        ),
        (NAMES, 20, NAMES),
        (NAMES, 1, NAMES),
        (NAMES, 24, ["a           y", "resource    z", "x"]),
    ],
)
def test_columns(names: list[str], width: int, lines: list[str]) -> None:
    assert list(columns(names, width)) == lines


def test_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    assert (terminal_width(20), terminal_width(None)) == (20, 33)
    monkeypatch.setenv("COLUMNS", "wide")
    assert terminal_width(None) == 80


def test_keys_of_children() -> None:
    assert (child_key(".", "a"), child_key("a.b", "c")) == ("a", "a.b.c")


def test_events() -> None:
    line = '{"timestamp":1.0,"name":"foo","context":{"a":1}}'
    assert format_event(line, unformatted=False) == '1.000000 foo {"a":1}'
    assert format_event(line, unformatted=True) == line
    assert format_event('{"timestamp":1.5,"name":"bar"}', unformatted=False) == "1.500000 bar"
    assert log_lines(b"") == []
    assert log_lines(b"a\nb\n") == ["a", "b"]
    with pytest.raises(OSError, match="Invalid argument"):
        log_lines(b"a\nb")
