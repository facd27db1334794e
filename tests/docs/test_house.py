"""The house keeps its shape: what `house.py` counts stays under the ceilings of data/house.toml.

Ceilings only fall. One that is more than a tenth above its count fails too, so that whoever
improves something lowers it, and nobody may use up the room again.
"""

from __future__ import annotations

import pathlib
import tomllib
from typing import TYPE_CHECKING, TypedDict, cast

import pytest

from tests.docs import house

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ceilings(TypedDict):
    """The contents of data/house.toml."""

    any_per_1000_lines: dict[str, float]
    type_ignores: dict[str, int]
    wide_lines: dict[str, int]
    docstring_faults: dict[str, int]
    tall_functions: list[str]
    twins: list[str]


def _ceilings() -> Ceilings:
    path = pathlib.Path(__file__).parent / "data" / "house.toml"
    return cast("Ceilings", tomllib.loads(path.read_text()))


CEILINGS = _ceilings()
SOURCES = house.sources()


def verdicts(counts: Mapping[str, float], ceilings: Mapping[str, float]) -> list[str]:
    """Return what is wrong: counts over their ceiling, and ceilings far above their count."""
    wrong = [f"{where}: no ceiling" for where in counts if where not in ceilings]
    for where, ceiling in ceilings.items():
        count = counts.get(where, 0)
        if count > ceiling:
            wrong.append(f"{where}: {count}, more than {ceiling}")
        elif ceiling > count * 1.1:
            wrong.append(f"{where}: {count}, lower the ceiling of {ceiling}")
    return wrong


def test_any() -> None:
    assert verdicts(house.any_rates(SOURCES), CEILINGS["any_per_1000_lines"]) == []


def test_type_ignores() -> None:
    assert verdicts(house.ignored_types(SOURCES), CEILINGS["type_ignores"]) == []


def test_wide_lines() -> None:
    assert verdicts(house.wide_lines(SOURCES), CEILINGS["wide_lines"]) == []


def test_docstrings() -> None:
    assert verdicts(house.docstring_faults(SOURCES), CEILINGS["docstring_faults"]) == []


def test_functions_are_not_tall() -> None:
    assert house.tall_functions(SOURCES) == CEILINGS["tall_functions"]


def test_no_class_name_twice() -> None:
    assert house.twins(SOURCES) == CEILINGS["twins"], "a twin that is gone leaves the list"


# The counters themselves


def file(path: str, *lines: str) -> house.Source:
    return house.source(path, "".join(line + "\n" for line in lines))


def test_any_is_counted_where_it_is_used() -> None:
    text = ["from typing import Any", "import typing", "a: Any", "b: typing.Any", *["c = 1"] * 6]
    assert house.any_rates([file("flux/a.py", *text)]) == {"flux": 200.0}


def test_ignores_and_width_are_counted() -> None:
    found = [
        file("tui/a.py", "a: int = ''  # type: ignore[assignment]", f"# {'x' * 98}", "#" * 101)
    ]
    assert house.ignored_types(found) == {"packages": 1, "tests": 0}
    assert house.wide_lines(found) == {"tui": 1}


@pytest.mark.parametrize(
    "text", ["Do it.\n\n    Args:\n        x: what.", "See :class:`X`.", "Take back x."]
)
def test_docstrings_of_another_dialect_are_counted(text: str) -> None:
    lines = ["def f() -> None:", *f'    """{text}"""'.splitlines()]
    assert house.docstring_faults([file("broker/a.py", *lines)]) == {"broker": 1}


def test_tall_functions_and_twins_are_found() -> None:
    tall = ["def tall() -> None:", *["    pass"] * 50]
    low = ["def low() -> None:", *["    pass"] * 49]
    found = [
        file("flux/a.py", *tall, *low, "class _Job: pass"),
        file("tui/b.py", "class Job: pass"),
    ]
    assert house.tall_functions(found) == ["flux/a.py:tall"]
    assert house.twins(found) == ["Job"]


@pytest.mark.parametrize(
    ("count", "ceiling", "fine"),
    [(10, 10, True), (10, 11, True), (10, 12, False), (11, 10, False), (0, 1, False), (0, 0, True)],
)
def test_ceilings_only_fall(count: int, ceiling: int, fine: bool) -> None:
    assert (verdicts({"x": count}, {"x": ceiling}) == []) is fine


def test_the_counts_are_printed_as_ceilings() -> None:
    printed = tomllib.loads(house.as_toml([file("flux/a.py", "a: Any", "class A: pass")]))
    assert printed["any_per_1000_lines"] == {"flux": 500.0}
    assert set(printed) == set(CEILINGS)


def test_what_has_no_ceiling_is_wrong() -> None:
    assert verdicts({"new": 0}, {}) == ["new: no ceiling"]
