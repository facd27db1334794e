"""Actions of argparse that list commands share."""

from __future__ import annotations

import argparse

import pytest

from flux import util


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--color", action=util.ColorAction)
    parser.add_argument("--yn", action=util.YesNoAction)
    parser.add_argument("-f", action=util.FilterAction)
    parser.add_argument("-u", action=util.FilterActionUser)
    parser.add_argument("-s", action=util.FilterActionSetUpdate, default=set())
    parser.add_argument("-A", action=util.FilterTrueAction)
    return parser.parse_args(words)


def test_what_was_chosen_is_noted() -> None:
    assert "filtered" not in parsed()
    for words in (["-f", "x"], ["-u", "root"], ["-s", "a"], ["-A"]):
        assert parsed(*words).filtered is True
    assert "filtereduser" not in parsed("-f", "x")
    assert (parsed("-u", "root").filtereduser, parsed("-u", "root").u) == (True, "root")
    assert (parsed("-A").A, parsed().A) == (True, False)
    assert parsed("-s", "a,b", "-s", "b,c").s == {"a", "b", "c"}
    assert parsed().s == set()


def test_yes_and_no_are_truths() -> None:
    assert (parsed("--yn=yes").yn, parsed("--yn=no").yn, parsed().yn) == (True, False, None)
    with pytest.raises(ValueError, match="--yn requires either 'yes' or 'no'"):
        parsed("--yn=q")


def test_colors_are_used_when_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert (parsed("--color").color, parsed("--color").color.enabled) == ("always", True)
    assert (parsed("--color=never").color, parsed("--color=never").color.enabled) == (
        "never",
        False,
    )
    assert (parsed().color, parsed().color.enabled) == ("auto", False)  # no terminal
    with pytest.raises(SystemExit):
        parsed("--color=x")
    assert "Invalid argument to --color: 'x'" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    assert parsed().color == "never"
    assert parsed("--color").color.enabled
