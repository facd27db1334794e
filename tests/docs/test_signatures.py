"""Programs call what docs/api/ lists by place and by keyword: what data/signatures.toml has stays,
new parameters come behind with a default.
"""

from __future__ import annotations

import pathlib
import tomllib

import pytest

from tests.docs import signatures

KEPT = tomllib.loads((pathlib.Path(__file__).parent / "data/signatures.toml").read_text("utf-8"))


def broken(kept: list[str], now: list[str]) -> list[str]:
    """Return the parameters that programs can no longer give, and new ones that they have to."""
    by_place = [one for one in kept if not one.startswith("*") and not one.endswith(" only")]
    gone = [one for at, one in enumerate(by_place) if now[at : at + 1] != [one]]
    gone += [one for one in kept if one not in by_place and one not in now]
    wanted = [one for one in now if "=" not in one and not one.startswith("*") and one not in kept]
    return [*gone, *wanted]


@pytest.mark.parametrize("module", sorted(KEPT))
def test_parameters_stay(module: str) -> None:
    found = {
        name: broken(kept, signatures.parameters(signatures.found(module, name)) or [])
        for name, kept in KEPT[module].items()
    }
    assert {name: those for name, those in found.items() if those} == {}


def test_what_is_called_is_kept() -> None:
    lists = signatures.today()
    missing = {
        module: sorted(set(names) - set(KEPT.get(module, {}))) for module, names in lists.items()
    }
    assert {module: names for module, names in missing.items() if names} == {}, (
        "python -m tests.docs.signatures > tests/docs/data/signatures.toml"
    )


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        (["a", "b=1", "*args", "k=2 only", "new=3"], []),
        (["a", "*args", "k=2 only"], ["b=1"]),
        (["b=1", "a", "*args", "k=2 only"], ["a", "b=1"]),
        (["a", "b=2", "*args", "k=2 only"], ["b=1"]),
        (["a", "b=1", "k=2 only"], ["*args"]),
        (["a", "b=1", "*args"], ["k=2 only"]),
        (["a", "b=1", "new", "*args", "k=2 only"], ["new"]),
    ],
)
def test_what_breaks_programs(now: list[str], lost: list[str]) -> None:
    assert broken(["a", "b=1", "*args", "k=2 only"], now) == lost
