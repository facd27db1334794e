"""How ``flux kvs ls`` and ``flux kvs eventlog`` arrange what they print."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from flux import treeobj
from flux.testing.scripted import ScriptedFlux
from fluxctl import main
from fluxctl.commands import kvs_listing
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


@pytest.mark.parametrize(("size", "asked"), [(3, 4), (300, 2)])
def test_values_of_a_large_directory_come_with_its_listing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int, asked: int
) -> None:
    """Each value of a small one is asked for, as flux-core's command does, and long ones of any."""
    entries = {f"n{number:03}": treeobj.val(b"%d" % number) for number in range(size - 1)}
    entries["z"] = treeobj.valref(["sha1-" + "0" * 40])
    keys: list[str] = []

    def lookup(payload: dict[str, Any]) -> dict[str, Any]:
        key = payload["key"]
        keys.append(key)
        if key == "d":
            return {"val": treeobj.directory(entries)}
        name = key.partition(".")[2]
        return {"val": treeobj.val(b"long") if name == "z" else entries[name]}

    flux = ScriptedFlux({"kvs.lookup": lookup})
    monkeypatch.setattr(kvs_listing, "handle", lambda: contextlib.nullcontext(flux))
    assert main.run(["kvs", "dir", "d"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown == [*(f"d.n{number:03} = {number}" for number in range(size - 1)), "d.z = long"]
    assert len(keys) == asked
