"""Text of others on a terminal: nothing moves the cursor, nothing reads backwards, and JSON keeps
its value.
"""

from __future__ import annotations

import json

import pytest

from flux.output_format import OutputFormat
from flux.terminal_text import terminal_line, terminal_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ƒ5x ü 日本", "plain ƒ5x ü 日本"),
        ("\x1b[2J\x1b]0;t\x07", "\\u001b[2J\\u001b]0;t\\u0007"),
        ("\x9b31m\x7f\r", "\\u009b31m\\u007f\\u000d"),
        ("a\u202egpj.exe\u2066", "a\\u202egpj.exe\\u2066"),
        ("tab\tstays", "tab\tstays"),
        ("\udc9b and \udcff", "\\udc9b and \udcff"),
        ("", ""),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert terminal_text(text) == terminal_line(text) == shown


def test_lines_stay_in_text_only() -> None:
    assert terminal_text("a\nb") == "a\nb"
    assert terminal_line("a\nb") == "a\\u000ab"


def test_json_keeps_its_value() -> None:
    value = {"name": "x\u202e\x9b\x7f", "n": "a\nb\x1b"}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert json.loads(terminal_text(text)) == value


class Row:
    name = "evil\x1b[2J\nfake row"
    id = 7


def test_a_row_of_a_table_is_one_row() -> None:
    layout = OutputFormat({"name": "NAME", "id": "ID"}, "{id:>3} {name:<8.30}|\n{name!s}")
    assert (
        layout.format(Row()) == "  7 evil\\u001b[2J\\u000afake row|\nevil\\u001b[2J\\u000afake row"
    )
