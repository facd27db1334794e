"""RFC 18 event logs."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from flux import eventlog


def test_entry_as_recorded() -> None:
    line = eventlog.encode(eventlog.entry("foo", {"a": 1}, 1))
    assert line == '{"timestamp":1.0,"name":"foo","context":{"a":1}}\n'
    assert eventlog.encode(eventlog.entry("bar", None, 2.5)) == '{"timestamp":2.5,"name":"bar"}\n'


def test_timestamp_defaults_to_now() -> None:
    assert eventlog.entry("a")["timestamp"] > 1.7e9


def test_decode_yields_each_event() -> None:
    events = [eventlog.entry("a", {"x": "line\nbreak"}, 1), eventlog.entry("b", {}, 2)]
    assert list(eventlog.decode("".join(map(eventlog.encode, events)))) == events
    assert list(eventlog.decode("")) == []


@pytest.mark.parametrize("arguments", [("",), ("two words",), ("a", [1]), ("a", None, -1)])
def test_entry_refuses(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(OSError) as caught:
        eventlog.entry(*arguments)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "log",
    [
        '{"timestamp":1,"name":"a"}',
        "\n",
        "[]\n",
        '{"name":"a"}\n',
        '{"timestamp":"1","name":"a"}\n',
        '{"timestamp":1,"name":1}\n',
        '{"timestamp":1,"name":"a","context":[]}\n',
    ],
)
def test_decode_refuses(log: str) -> None:
    with pytest.raises(OSError) as caught:
        list(eventlog.decode(log))
    assert caught.value.errno == errno.EINVAL
