"""docs/man3.md has a row for each function of the manual's section 3, and what it names exists."""

from __future__ import annotations

import importlib
import json
import pathlib
import re
from collections import Counter

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MANUAL: dict[str, list[str]] = json.loads((ROOT / "tests/docs/data/man3.json").read_text())
PAGE = (ROOT / "docs" / "man3.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (?:`([\w.]+)`|—) \| (.*?) ?\|$", re.M)
DOTTED = re.compile(r"`(flux(?:\.\w+)+)")


def sections() -> dict[str, str]:
    """Return the text below each heading."""
    parts = re.split(r"^## (\w+)\(3\)$", PAGE, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def resolve(dotted: str) -> object:
    """Return what a dotted name means; raises AttributeError if there is no such thing.

    Members of classes are looked up on the class, fields by their annotations.
    """
    parts = dotted.split(".")
    found: object = importlib.import_module(parts[0])
    for depth, name in enumerate(parts[1:], 2):
        if hasattr(found, name):
            found = getattr(found, name)
        else:
            found = importlib.import_module(".".join(parts[:depth]))
    return found


def test_each_page_has_its_functions_in_their_order() -> None:
    assert list(sections()) == sorted(MANUAL)
    for page, text in sections().items():
        assert [row[0] for row in ROW.findall(text)] == list(dict.fromkeys(MANUAL[page])), page


@pytest.mark.parametrize("page", sorted(MANUAL))
def test_what_a_row_names_exists(page: str) -> None:
    for function, python, note in ROW.findall(sections()[page]):
        for dotted in filter(None, [python, *DOTTED.findall(note)]):
            assert resolve(dotted) is not None, function
        assert python or note, f"{function} has neither an equivalent nor a reason"


def test_the_figures_at_the_top_are_right() -> None:
    rows = {function: python for function, python, _ in ROW.findall(PAGE)}
    assert f"{sum(map(bool, rows.values()))} of {len(rows)} have an equivalent" in " ".join(
        PAGE.split()
    )


def test_reasons_are_of_few_kinds() -> None:
    """Most functions have an equivalent; what has none is what Python has no use for."""
    without = Counter(not python for _, python, _ in ROW.findall(PAGE))
    assert without[True] < 25


def test_a_name_that_does_not_exist_is_noticed() -> None:
    with pytest.raises((AttributeError, ImportError)):
        resolve("flux.Flux.nosuch")
