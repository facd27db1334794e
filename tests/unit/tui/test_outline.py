"""Objects for reading, and what is what in a line."""

from __future__ import annotations

import json

import pytest

from tui.model.highlight import is_error, spans
from tui.model.logs import Line
from tui.model.outline import as_json, outline

VALUE = {
    "resources": [
        {"type": "slot", "count": 2, "with": [{"type": "core", "count": 1}]},
        "plain",
        [],
    ],
    "words": ["a", "b"],
    "script": "#!/bin/sh\ntrue\n",
    "empty": {},
    "number": 1.5,
    "text number": "17",
    "nothing": None,
    "control": "a\x1b[2J",
}


def test_an_outline_is_indented_and_has_no_more_quotes_than_needed() -> None:
    assert [line.text for line in outline(VALUE)] == [
        "resources:",
        "  - type: slot",
        "    count: 2",
        "    with:",
        "      - type: core",
        "        count: 1",
        "  - plain",
        "  - []",
        'words: ["a","b"]',
        "script: |",
        "  #!/bin/sh",
        "  true",
        "empty: {}",
        "number: 1.5",
        'text number: "17"',
        "nothing: null",
        'control: "a\\u001b[2J"',
    ]


def test_an_endless_object_is_cut_where_it_is_too_deep() -> None:
    deep: object = 1
    for _ in range(500):
        deep = {"in": deep}
    lines = outline(deep)
    assert len(lines) == 41
    assert lines[-1].text.strip() == "(nested too deeply to be shown)"


@pytest.mark.parametrize("value", [[], {}, 5, "text", None, True])
def test_anything_has_an_outline(value: object) -> None:
    assert len(outline(value)) == 1


def test_raw_is_json_again() -> None:
    assert json.loads("\n".join(line.text for line in as_json(VALUE))) == VALUE


def roles(kind: str, text: str) -> list[tuple[str, str]]:
    return [(text[a:b], role) for a, b, role in spans(Line(kind, "", text))]


def test_what_is_what_in_a_line() -> None:
    assert roles("event", "alloc            rank1/core1 x=1") == [("alloc", "name"), ("x=", "key")]
    assert roles("event", "clean") == [("clean", "name")]
    assert roles("event", '{"name":"clean"}') == []
    assert roles("pair", "  - count: 2") == [("count:", "key"), ("2", "number")]
    assert roles("pair", "x: true") == [("x:", "key"), ("true", "word")]
    assert roles("pair", "name: sleep") == [("name:", "key")]
    assert roles("setting", "PATH=/a=b") == [("PATH=", "key")]
    assert roles("json", '"a": [1, null]') == [('"a"', "key"), ("1", "number"), ("null", "word")]
    assert roles("stdout", "count: 2") == []
    assert roles("pair", "x" * 10_000) == []


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        (Line("stderr", "", "anything"), True),
        (Line("stdout", "", "Traceback (most recent call last):"), True),
        (Line("stdout", "", "3 tests FAILED"), True),
        (Line("stdout", "", "terror of the failsafe"), False),
        (Line("exception", "", "x"), True),
        (Line("info", "", "all well"), False),
        (Line("err", "", "x"), True),
    ],
)
def test_errors_are_known_by_kind_and_by_words(line: Line, bad: bool) -> None:
    assert is_error(line) is bad
