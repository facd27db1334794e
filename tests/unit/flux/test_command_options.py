"""Help and options of programs that use argparse, as flux.util has them."""

from __future__ import annotations

import argparse

import pytest

import flux.util
from flux.util import help_formatter, interruptible

HELP = """\
options:
  -h, --help               show this help message and exit
  -n, --nodes=N            Nodes
      --only-long=N        long
      --flag               a flag
  -f, --flog               another
      --opt=[V]            optional
      --set=SET [SET ...]  set
"""


def parser(*, raw: bool = False) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="x", formatter_class=help_formatter(30, raw), description="a\n  b"
    )
    made.add_argument("-n", "--nodes", metavar="N", help="Nodes")
    made.add_argument("--only-long", metavar="N", help="long")
    made.add_argument("--flag", action="store_true", help="a flag")
    made.add_argument("-f", "--flog", action="store_true", help="another")
    made.add_argument("--opt", nargs="?", metavar="V", help="optional")
    made.add_argument("--set", action=flux.util.TreedictAction, nargs="+", help="set")
    return made


def test_help_has_each_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert parser().format_help().endswith(HELP)
    assert "\na b\n" in parser().format_help()
    assert "\na\n  b\n" in parser(raw=True).format_help()


def test_trees_of_values() -> None:
    parsed = parser().parse_args(["--set", "a.b=1", "a.c=x", "d=", 'e={"f":[1]}', "e.g=null"])
    assert parsed.set == {"a": {"b": 1, "c": "x"}, "d": "", "e": {"f": [1], "g": None}}


def test_several_options_add_up() -> None:
    assert parser().parse_args(["--set", "a=1", "--set", "b=2"]).set == {"a": 1, "b": 2}


def test_a_key_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--set", "a"])
    assert "Missing required value for key a" in capsys.readouterr().err


def test_waiting_can_be_interrupted_as_it_is() -> None:
    assert interruptible(len) is len
    with pytest.raises(AttributeError):
        _ = flux.util.nosuch
