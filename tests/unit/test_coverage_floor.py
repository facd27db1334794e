"""The floors of ``make coverage``: below is wrong, and so is a floor that was left behind."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests import coverage_floor
from tests.coverage_floor import Report, main, percentages, verdicts

if TYPE_CHECKING:
    import pathlib


def report(**lines: tuple[int, int]) -> Report:
    """A report with one file for each package: lines covered, lines in all."""
    return {
        "files": {
            f"{package}/a.py": {"summary": {"covered_lines": covered, "num_statements": number}}
            for package, (covered, number) in lines.items()
        }
    }


def test_lines_are_added_up_by_package() -> None:
    found = report(flux=(30, 40), tui=(1, 2))
    found["files"]["flux/wire/b.py"] = {"summary": {"covered_lines": 20, "num_statements": 60}}
    found["files"]["tui/empty.py"] = {"summary": {"covered_lines": 0, "num_statements": 0}}
    assert percentages(found) == {"flux": 50.0, "tui": 50.0}


@pytest.mark.parametrize(
    ("found", "floor", "words"),
    [
        (80.0, 80, None),
        (82.9, 80, None),
        (79.9, 80, "is below its floor of 80 %"),
        (83.0, 80, "has left its floor of 80 % behind: raise it"),
    ],
)
def test_a_floor_holds_and_only_rises(found: float, floor: int, words: str | None) -> None:
    assert verdicts({"flux": found}, {"flux": floor}).get("flux") == words


def test_a_package_and_its_floor_belong_together() -> None:
    assert verdicts({"new": 1.0}, {"old": 1}) == {"new": "has no floor", "old": "was not measured"}


def test_the_exit_code_tells(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    floors = tmp_path / "floors.toml"
    floors.write_text("[floors]\nflux = 50\n")
    monkeypatch.setattr(coverage_floor, "FLOORS", floors)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report(flux=(5, 10))))
    assert main(str(path)) == 0
    path.write_text(json.dumps(report(flux=(4, 10))))
    assert main(str(path)) == 1
    words = capsys.readouterr().out.splitlines()[1].split()
    assert words == ["flux", "40.0", "%", *["is", "below", "its", "floor", "of", "50", "%"]]


def test_every_package_has_a_floor() -> None:
    assert set(tomllib.loads(coverage_floor.FLOORS.read_text())["floors"]) == {
        "broker",
        "flux",
        "fluxctl",
        "tui",
    }
