"""The key-value store as a tree, and its values as lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tui.model.kvs import DIRECTORY, LINK, MOST, ROOT, VALUE, KvsTree, child, parent, size_text
from tui.model.kvs_value import LARGEST, MOST_LINES, compared, value_lines


def val(data: str) -> dict[str, Any]:
    return {"type": "val", "ver": 1, "data": data}


def ref(version: str) -> dict[str, Any]:
    return {"type": "dirref", "ver": 1, "data": [version]}


def tree() -> KvsTree:
    made = KvsTree()
    made.take(ROOT, {"b": ref("b1"), "a": val("aGVsbG8="), "c": ref("c1")}, "r1")
    return made


def test_only_what_is_open_is_read_and_seen() -> None:
    made = KvsTree()
    assert made.stale("r1") == [ROOT]
    made = tree()
    assert made.stale("r1") == []
    assert [(row.key, row.kind, row.depth) for row in made.rows()] == [
        ("a", VALUE, 0), ("b", DIRECTORY, 0), ("c", DIRECTORY, 0),
    ]  # fmt: skip
    made.opened.add("b")
    assert made.stale("r1") == ["b"]
    made.take("b", {"x": val("")}, made.ref_of("b", "r1"))
    assert [row.key for row in made.rows()] == ["a", "b", "b.x", "c"]
    assert made.stale("r1") == []


def test_a_change_is_read_where_it_was_and_nowhere_else() -> None:
    made = tree()
    made.opened |= {"b", "c"}
    made.take("b", {}, made.ref_of("b", "r1"))
    made.take("c", {}, made.ref_of("c", "r1"))
    assert made.stale("r2") == [ROOT]
    made.take(ROOT, {"b": ref("b2"), "c": ref("c1")}, "r2")
    assert made.stale("r2") == ["b"]


def test_a_large_directory_is_read_again_only_when_asked_for() -> None:
    made = KvsTree()
    made.take(ROOT, {f"k{i}": val("") for i in range(MOST + 1)}, "r1")
    assert made.stale("r2") == []
    assert made.stale("r2", all_of_them=True) == [ROOT]


def test_a_hundred_thousand_keys() -> None:
    made = KvsTree()
    made.take(ROOT, {f"k{i:06}": val("YQ==") for i in range(100_000)}, "r1")
    rows = made.rows()
    assert (len(rows), rows[0].key, rows[-1].key) == (100_000, "k000000", "k099999")


def test_closing_forgets_all_that_is_below() -> None:
    made = tree()
    made.open_to("b.x.y")
    assert made.opened == {ROOT, "b", "b.x"}
    made.take("b", {"x": ref("x1")}, "b1")
    made.take("b.x", {"y": val("")}, "x1")
    assert "b.x.y" in [row.key for row in made.rows()]
    made.close("b")
    assert made.opened == {ROOT}
    assert made.entries("b.x") == -1


def test_one_that_cannot_be_read_is_not_asked_for_again() -> None:
    made = tree()
    made.opened.add("b")
    made.fail("b", "no\x1b")
    assert made.stale("r1") == []
    assert made.stale("r1", all_of_them=True) == ["b"]
    assert "\x1b" not in made.errors["b"]


def test_sizes_and_links() -> None:
    made = KvsTree()
    link = {"type": "symlink", "data": {"target": "a.b", "namespace": "other"}}
    value = {"type": "valref", "data": ["sha1-x", "sha1-y"]}
    inline = {"type": "dir", "data": {"one": val("")}}
    made.take(ROOT, {"h": val("aGVsbG8="), "l": link, "r": value, "d": inline}, "r1")
    rows = {row.key: row for row in made.rows()}
    assert {key: size_text(row) for key, row in rows.items()} == {
        "h": "5 B", "l": "-", "r": "-", "d": "1",
    }  # fmt: skip
    assert (rows["l"].kind, rows["l"].target) == (LINK, "other::a.b")


def test_keys() -> None:
    assert (child(ROOT, "a"), child("a", "b")) == ("a", "a.b")
    assert (parent("a"), parent("a.b")) == (ROOT, "a")


@pytest.mark.parametrize(
    ("data", "kind", "texts"),
    [
        (b"", "empty", []),
        (b"one\ntwo\n", "text", ["one", "two"]),
        (b"42", "JSON", ["42"]),
        (b'{"a":[1]}', "JSON", ["{", '  "a": [', "    1", "  ]", "}"]),
        (b"\x00\x01AB", "binary", ["00 01 41 42" + " " * 39 + "|..AB|"]),
        (b"\xff\xfe", "binary", ["ff fe" + " " * 45 + "|..|"]),
    ],
)
def test_values(data: bytes, kind: str, texts: list[str]) -> None:
    found, lines = value_lines(data)
    assert found == kind
    assert [line.text for line in lines] == texts


def test_an_eventlog_is_shown_an_event_a_line() -> None:
    events = [{"timestamp": 5.0, "name": "a"}, {"timestamp": 7.5, "name": "b", "context": {"c": 1}}]
    data = "".join(json.dumps(event) + "\n" for event in events).encode()
    kind, lines = value_lines(data)
    assert kind == "eventlog"
    assert [line.text for line in lines] == ["a", "b                c=1"]
    assert lines[1].label.strip() == "2.500s"
    assert value_lines(b'{"timestamp": 1}\n{"no": 1}\n')[0] == "text"


def test_what_is_too_large_says_so() -> None:
    kind, lines = value_lines(b"x" * (LARGEST + 5))
    assert kind == "text"
    assert lines[-1].text == "... 5 more bytes are not shown"
    cut = ("x" * (LARGEST - 1) + "ä" * 3).encode()
    assert value_lines(cut)[0] == "text"  # the end falls into a character


def test_long_lines_are_cut() -> None:
    long = b"x" * 1_000_000
    event = b'{"timestamp": 1.0, "name": "a", "context": {"b": "' + long + b'"}}\n'
    for data in (long, b'["' + long + b'"]', event):
        longest = max((line.text for line in value_lines(data)[1]), key=len)
        assert len(longest) < 4096 + 60
        assert longest.endswith(" more characters are not shown")


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        (b"a\n" * (MOST_LINES + 7), "text", "... 7 more lines are not shown"),
        (b"[" + b"1," * MOST_LINES + b"1]", "JSON", "... 3 more lines are not shown"),
        (b"\0" * (MOST_LINES * 16 + 9), "binary", "... 9 more bytes are not shown"),
        (b'{"timestamp":1.0,"name":"a"}\n' * (MOST_LINES + 2), "eventlog", "... 2 more lines"),
    ],
    ids=["text", "JSON", "binary", "eventlog"],
)
def test_values_of_very_many_lines_say_how_many_more(data: bytes, kind: str, told: str) -> None:
    found, lines = value_lines(data)
    assert (found, len(lines)) == (kind, MOST_LINES + 1)
    assert lines[-1].text.startswith(told)


def test_values_of_others_are_fit_for_a_terminal() -> None:
    for data in (b"a\x1b[2J", b'{"a\\u001b": "\\u009b"}', '["\u202e"]'.encode()):
        assert all(line.text.isprintable() for line in value_lines(data)[1])


def test_deep_json_is_shown_as_text() -> None:
    assert value_lines(b"[" * 100_000)[0] == "text"


def test_what_changed_is_marked() -> None:
    before = value_lines(b"a\nb\nc")[1]
    after = value_lines(b"a\nB\nc\nd")[1]
    assert [line.kind for line in compared(after, before)] == [
        "stdout", "changed", "stdout", "changed",
    ]  # fmt: skip
