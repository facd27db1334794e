"""Compare coverage.py's JSON report with the floors of coverage_floor.toml.

``python -m tests.coverage_floor REPORT`` prints a line for each package and exits with 1 if one is
below its floor, or so far above that the floor has to be raised.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tomllib
from collections import Counter
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOORS = pathlib.Path(__file__).with_suffix(".toml")
SLACK = 3.0
"""Points above its floor that a package may be: property tests do not run the same lines twice."""


class Report(TypedDict):
    """What is read of coverage.py's report: for each file, summary figures by name."""

    files: dict[str, dict[str, dict[str, int]]]


def percentages(report: Report) -> dict[str, float]:
    """Return the per cent of lines covered in each package, from a report of coverage.py."""
    lines: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for path, file in report["files"].items():
        package = pathlib.PurePath(path).parts[0]
        lines[package] += file["summary"]["num_statements"]
        covered[package] += file["summary"]["covered_lines"]
    return {package: 100 * covered[package] / lines[package] for package in lines if lines[package]}


def verdicts(found: Mapping[str, float], floors: Mapping[str, float]) -> dict[str, str]:
    """Return what is wrong with each package that is not between its floor and the slack above."""
    wrong = {}
    for package in sorted({*found, *floors}):
        if package not in floors:
            wrong[package] = "has no floor"
        elif package not in found:
            wrong[package] = "was not measured"
        elif found[package] < floors[package]:
            wrong[package] = f"is below its floor of {floors[package]} %"
        elif found[package] >= floors[package] + SLACK:
            wrong[package] = f"has left its floor of {floors[package]} % behind: raise it"
    return wrong


def main(path: str) -> int:
    """Print the figures and return the exit code."""
    found = percentages(json.loads(pathlib.Path(path).read_text()))
    wrong = verdicts(found, tomllib.loads(FLOORS.read_text())["floors"])
    for package in sorted({*found, *wrong}):
        print(f"{package:<10} {found.get(package, 0.0):5.1f} %  {wrong.get(package, 'ok')}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
