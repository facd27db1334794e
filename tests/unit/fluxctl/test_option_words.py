"""No word in the place of an option's value makes a command show what it is made of.

Here without an instance; `tests/system/test_option_words.py` does it on one.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from fluxctl.errors import CommandError
from fluxctl.numbers import BEYOND, integer, real
from fluxctl.option_types import duration
from fluxctl.patterns import pattern
from tests import option_fuzz
from tests.option_fuzz import Run, complaint, complaints, harmless, sample

if TYPE_CHECKING:
    import pathlib

SEED = 7
EACH = 40


def test_no_command_shows_what_it_is_made_of(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    with harmless(tmp_path, monkeypatch):
        assert complaints(sample(SEED, EACH), environment, patience=2.0) == []


def test_every_command_is_among_them() -> None:
    paths = {path for path, _ in option_fuzz.commands()}
    assert {path for path, _ in option_fuzz.command_lines(["x"])} == paths
    assert set(option_fuzz.BASE) <= paths
    assert len(paths) > 100


@pytest.mark.parametrize(
    ("code", "errors"),
    [
        (1, "Traceback (most recent call last):"),
        (1, "flux-ping: 'x' is not a valid float."),
        (1, "flux: internal error: x"),
        (1, "flux-x: invalid literal for int() with base 10: 'x'"),
        (1, "flux-x: 'utf-8' codec can't encode character"),
        (0, "environment.py:40: FutureWarning: Possible nested set"),
        (1, ""),
        (999, "flux-x: no"),
    ],
)
def test_what_is_complained_of(code: int, errors: str) -> None:
    assert complaint(Run(["x"], code, "", errors))
    assert not complaint(Run(["x"], 1, "", "flux-x: no such file"))
    assert not complaint(Run(["x"], None, "", ""))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        (" 5 ", 5),
        ("007", 7),
        ("0" * 6000, 0),
        ("9" * 5000, BEYOND),
        ("-" + "9" * 5000, -BEYOND),
        ("1_000", None),
        ("\u0663", None),
        ("\u00b2", None),
        ("", None),
        ("-", None),
        ("0x10", None),
        ("1.0", None),
        ("5\0", None),
    ],
)
def test_integers(text: str, number: int | None) -> None:
    assert integer(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", 1.5),
        ("-.5e3", -500.0),
        ("1e400", float("inf")),
        ("INF", float("inf")),
        ("1_0.0", None),
        ("\u0663", None),
        ("1e", None),
        (".", None),
        ("", None),
        ("nan()", None),
        ("0x1p3", None),
    ],
)
def test_numbers(text: str, number: float | None) -> None:
    assert real(text) == number


@pytest.mark.parametrize("text", ["", "x", "-1", "1e400s", "1_0s", "\u0663s"])
def test_a_duration_is_refused_in_the_words_of_the_command(text: str) -> None:
    with pytest.raises(CommandError, match=r"^no duration$"):
        duration(text, "no duration")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(", "missing ), unterminated subpattern at position 0"),
        ("a\0(", "missing ), unterminated subpattern at position 2"),
        ("a{99999999999}", "a number in it is too large"),
        ("(" * 5000, "it is nested too deeply"),
    ],
)
def test_patterns_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(CommandError, match=re.escape(f"no pattern: {reason}")):
        pattern(text, "no pattern")


def test_a_pattern_is_taken_without_a_warning() -> None:
    assert pattern("[[a]", "no pattern").search("a")
    assert pattern("a\0b", "no pattern").search("a\0b")
