"""Names of flux-core's Python API: each is here, or is listed with the reason why it is not."""

from __future__ import annotations

import functools
import importlib
import pathlib
import tomllib
from typing import NotRequired, TypedDict, cast

import pytest

FOLDER = pathlib.Path(__file__).parent / "data" / "api"


class Entry(TypedDict):
    """A module: the names that it has, and those that it has not with the reason."""

    names: list[str]
    why: NotRequired[str]
    absent: NotRequired[list[str]]


def entries() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        found |= cast("dict[str, Entry]", tomllib.loads(path.read_text()))
    return found


ENTRIES = entries()


def has(module: str, name: str) -> bool:
    try:
        functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ModuleNotFoundError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("module", ENTRIES)
def test_a_name_is_here_or_has_a_reason(module: str) -> None:
    entry = ENTRIES[module]
    assert [name for name in entry["names"] if not has(module, name)] == [], "they are gone"
    absent = entry.get("absent", [])
    assert [name for name in absent if has(module, name)] == [], "they are here"
    assert bool(absent) is bool(entry.get("why"))
    assert entry["names"] or absent
