"""Lists: formats of one's own, colors when they are wanted, and what is said of a bad format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fluxctl.color import Paint, Role, uses_color, with_color_told
from fluxctl.errors import CommandError
from fluxctl.list_output import ListChoice, ListTable

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = ListTable({"name": "NAME", "size": "SIZE"}, "{name:<6} {size:>4}")
BARE = ListTable(TABLE.headings, "{name}", headed=False)
ROWS: list[dict[str, object]] = [
    {"name": "one", "size": 1},
    {"name": "tw\x1bo", "size": None},
]


def choice(
    layout: str | None = None, *, no_header: bool = False, color: str = "never"
) -> ListChoice:
    return {"as_json": False, "layout": layout, "no_header": no_header, "color": color}


def shown(capsys: pytest.CaptureFixture[str], table: ListTable, wanted: ListChoice) -> list[str]:
    table.show(ROWS, wanted)
    return capsys.readouterr().out.splitlines()


def test_the_format_of_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, TABLE, choice()) == ["NAME   SIZE", "one       1", "tw\\u001bo     "]
    assert shown(capsys, TABLE, choice(no_header=True))[0] == "one       1"
    assert shown(capsys, BARE, choice()) == ["one", "tw\\u001bo"]


def test_every_list_is_shown_as_json_lines_if_that_is_chosen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted: ListChoice = {**choice(), "as_json": True}
    assert shown(capsys, TABLE, wanted) == [
        '{"name":"one","size":1}',
        '{"name":"tw\\u001bo","size":null}',
    ]


def test_a_format_of_ones_own_has_a_header_unless_that_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, BARE, choice("{size}/{name}")) == ["SIZE/NAME", "1/one", "/tw\\u001bo"]
    assert shown(capsys, BARE, choice("{size:>3h}", no_header=True)) == ["  1", "  -"]


def test_an_unknown_field_suggests_the_nearest() -> None:
    with pytest.raises(CommandError, match="Unknown format field: nmae") as refused:
        TABLE.format_of(choice("{nmae}"))
    assert refused.value.hint == "did you mean name?"
    for text in ("{name", "{}{", "{name!q"):
        with pytest.raises(CommandError) as refused:
            TABLE.show(ROWS, choice(text))
        assert refused.value.hint == ""
    with pytest.raises(CommandError, match="Unknown conversion specifier q"):
        TABLE.show(ROWS, choice("{name!q}"))


def test_rows_have_the_colors_of_their_roles(capsys: pytest.CaptureFixture[str]) -> None:
    def role(row: object) -> Role:
        return "bad" if row is ROWS[0] else ""

    TABLE.show(ROWS, choice(color="always"), role)
    header, first, second = capsys.readouterr().out.splitlines()
    assert header == "\x1b[01mNAME   SIZE\x1b[0;0m"
    assert first == "\x1b[01;31mone       1\x1b[0;0m"
    assert "\x1b" not in second
    TABLE.show(ROWS, choice(color="auto"), role)
    assert "\x1b" not in capsys.readouterr().out


def test_when_there_is_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not uses_color("auto")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert uses_color("auto")
    assert not uses_color("never")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert not uses_color("auto")
            assert uses_color("always")
    monkeypatch.setenv("NO_COLOR", "")
    assert uses_color("auto")


def test_paint_of_nothing_is_nothing() -> None:
    assert Paint("always")("", "bad") == ""
    assert Paint("always")("x", "") == "x"
    assert Paint("never")("x", "bad") == "x"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--color"], ["--color=always"]),
        (["--color", "ƒ1"], ["--color=always", "ƒ1"]),
        (["--color", "auto", "ƒ1"], ["--color", "auto", "ƒ1"]),
        (["--color", "-n"], ["--color=always", "-n"]),
        (["--", "--color"], ["--", "--color"]),
    ],
)
def test_color_takes_no_word_that_is_not_its_value(args: list[str], told: list[str]) -> None:
    assert with_color_told(args) == told


def test_rows_that_cannot_be_had_have_no_header(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> Iterator[dict[str, object]]:
        raise OSError(1, "Operation not permitted")
        yield {}

    with pytest.raises(OSError, match="not permitted"):
        TABLE.show(refused(), choice())
    assert capsys.readouterr().out == ""
    TABLE.show([], choice())
    assert capsys.readouterr().out == "NAME   SIZE\n"
