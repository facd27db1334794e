"""What the suite found, as files: one of this project, one of a flux-core."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = pathlib.Path(__file__).parent
DATA = HERE / "data"

WORKS = "works"
OWN_FAULT = "own fault"
LACKING = "lacking"
FAILS = "fails"
SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """What came of one test: of which program, what was run, and the reason of whatever is not
    plainly that it works.
    """

    program: str
    title: str
    verdict: str
    reason: str = ""


class Found(TypedDict):
    """A program's entry in a file: its version; verdict and reason by what was run."""

    version: str
    cases: dict[str, list[str]]


def verdict(outcome: str, expected_to_fail: bool) -> str:
    """Say what pytest's outcome of a test means for the program."""
    if outcome == "skipped":
        return LACKING if expected_to_fail else SKIPPED
    return WORKS if outcome == "passed" else FAILS


def file_of(peer: pathlib.Path | None) -> pathlib.Path:
    """Return where what was found is noted: here, or with a flux-core installed in ``peer``."""
    return DATA / ("flux-core.json" if peer else "here.json")


def load(path: pathlib.Path) -> dict[str, Found]:
    """Read what was found; empty if nothing has been."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def record(path: pathlib.Path, cases: Iterable[Case], versions: Mapping[str, str]) -> None:
    """Note cases beside those of other programs; those of the same program are replaced when they
    have the same title, so that a run of one test keeps what is known of the others.
    """
    found = load(path)
    for case in cases:
        version = versions[case.program]
        entry = found.get(case.program)
        if entry is None or entry["version"] != version:
            entry = found[case.program] = Found(version=version, cases={})
        kind = OWN_FAULT if case.verdict == WORKS and case.reason else case.verdict
        entry["cases"][case.title] = [kind, case.reason]
    for entry in found.values():
        entry["cases"] = dict(sorted(entry["cases"].items()))
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")
