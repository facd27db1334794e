"""The checks of a history find what is made wrong by hand, and nothing in what is right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.faults import history_records as records
from tests.faults.eventlogs import Entry, illegal, says_run_again
from tests.faults.history_records import Fence, Life, Read, Snapshot, Write
from tests.faults.linearizable import INITIAL

if TYPE_CHECKING:
    from collections.abc import Callable


def write(
    key: str, value: str, at: float, root: int | None, *, sync: bool = False, who: str = "w"
) -> Write:
    return Write(key, value, sync, at, math.inf if root is None else at + 1, root, who)


def shot(text: str, at: float, who: str = "r", leader: bool = True) -> Snapshot:
    return Snapshot(text, at, at + 1, who, leader)


def counted(*values: int) -> list[Write]:
    return [write("c", str(value), 2 * value, value) for value in values]


GOOD: dict[str, Callable[[], list[str]]] = {
    "registers": lambda: records.registers(
        Life(writes=[write("k", "a", 0, 1)], reads=[Read("k", "a", 2, 3, "r")])
    ),
    "versions": lambda: records.versions(Life(versions=[[1, 1, 2, 9]])),
    "watchers": lambda: records.watchers(
        Life(counted=counted(1, 2, 3), watched=[("c", [1, 2, 3])]), True
    ),
    "cut watcher": lambda: records.watchers(
        Life(counted=counted(1, 2, 3), watched=[("c", [1, 2])]), False
    ),
    "fences": lambda: records.fences(
        Life(fences=[Fence(0, 0, 5), Fence(0, 1, 5), Fence(1, 0, None)]), 2
    ),
    "whole fences": lambda: records.whole_fences({0: 3, 1: 0}, 3),
    "appended": lambda: records.appended(
        Life(
            appends=[write("l", "w:1", 0, 1), write("l", "w:2", 5, 2)],
            snapshots=[shot("w:1;", 2), shot("w:1;w:2;", 8)],
        ),
        "w:1;w:2;",
    ),
    "plain puts lost": lambda: records.restored(
        Life(writes=[write("a", "1", 0, 1, sync=True), write("a", "2", 2, 2)]), {"a": "1"}, False
    ),
    "unknown outcome": lambda: records.restored(
        Life(writes=[write("a", "1", 0, None)]), {"a": "1"}, False
    ),
    "counters": lambda: records.counters_restored(
        Life(counted=[write("c", "3", 0, 3, sync=True)], watched=[("c", [1, 2, 3])]), {"c": 3}, "c"
    ),
}
BAD: dict[str, Callable[[], list[str]]] = {
    "stale read": lambda: records.registers(
        Life(writes=[write("k", "a", 0, 1)], reads=[Read("k", INITIAL, 2, 3, "r")])
    ),
    "version goes back": lambda: records.versions(Life(versions=[[1, 3, 2]])),
    "value left out": lambda: records.watchers(
        Life(counted=counted(1, 2, 3), watched=[("c", [1, 3])]), False
    ),
    "value twice": lambda: records.watchers(
        Life(counted=counted(1, 2), watched=[("c", [1, 1, 2])]), False
    ),
    "last value not told": lambda: records.watchers(
        Life(counted=counted(1, 2), watched=[("c", [1])]), True
    ),
    "fence with two roots": lambda: records.fences(
        Life(fences=[Fence(0, 0, 5), Fence(0, 1, 6)]), 2
    ),
    "half a fence": lambda: records.whole_fences({0: 2}, 3),
    "append lost": lambda: records.missing_tokens(
        Life(appends=[write("l", "w:1", 0, 1)]), "", False
    ),
    "synced append lost": lambda: records.missing_tokens(
        Life(appends=[write("l", "w:1", 0, 1, sync=True)]), "", True
    ),
    "append twice": lambda: records.appended(Life(appends=[write("l", "w:1", 0, 1)]), "w:1;w:1;"),
    "append by nobody": lambda: records.appended(Life(), "w:1;"),
    "appends out of order": lambda: records.appended(
        Life(appends=[write("l", "w:1", 0, 1), write("l", "w:2", 2, 2)]), "w:2;w:1;"
    ),
    "token cut": lambda: records.appended(Life(appends=[write("l", "w:1", 0, 1)]), "w:1"),
    "text changes": lambda: records.appended(
        Life(
            appends=[write("l", "w:1", 0, 1), write("l", "v:1", 0, 1)],
            snapshots=[shot("w:1;", 4), shot("v:1;w:1;", 6)],
        ),
        "v:1;w:1;",
    ),
    "acknowledged append not read": lambda: records.appended(
        Life(appends=[write("l", "w:1", 0, 1)], snapshots=[shot("", 4)]), "w:1;"
    ),
    "synced put undone": lambda: records.restored(
        Life(writes=[write("a", "1", 0, 1), write("a", "2", 2, 2, sync=True)]), {"a": "1"}, False
    ),
    "put before a synced one undone": lambda: records.restored(
        Life(writes=[write("a", "1", 0, 1), write("b", "2", 2, 2, sync=True)]),
        {"a": INITIAL, "b": "2"},
        False,
    ),
    "two states at once": lambda: records.restored(
        Life(writes=[write("a", "1", 0, 1), write("b", "2", 2, 2)]), {"a": INITIAL, "b": "2"}, False
    ),
    "value from nowhere": lambda: records.restored(Life(), {"a": "x"}, False),
    "counter told, then back": lambda: records.counters_restored(
        Life(counted=[write("c", "3", 0, None, sync=True)], watched=[("c", [1, 2, 3])]),
        {"c": 2},
        "c",
    ),
    "counter ahead": lambda: records.counters_restored(Life(counted=counted(1)), {"c": 2}, ""),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes(name: str) -> None:
    assert GOOD[name]() == []


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_found(name: str) -> None:
    assert BAD[name]()


def log(*names: str) -> list[Entry]:
    return [Entry(name, {}) for name in names]


LIFE = ("submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean")


def test_a_normal_eventlog_is_legal() -> None:
    assert illegal(log(*LIFE)) == []
    assert illegal(log("submit", "depend", "priority", "exception", "clean")) == []
    assert illegal(log(*LIFE[:3], "flux-restart", *LIFE[2:])) == []


@pytest.mark.parametrize(
    "names",
    [
        LIFE[1:],
        (*LIFE, "start"),
        (*LIFE[:4], "finish", *LIFE[6:]),
        (*LIFE[:5], *LIFE[4:]),
        LIFE[:3] + LIFE[8:],
        (*LIFE[:4], "alloc"),
    ],
    ids=[
        "no submit",
        "after clean",
        "finish without start",
        "start twice",
        "clean at once",
        "alloc twice",
    ],
)
def test_illegal_eventlogs_are_found(names: tuple[str, ...]) -> None:
    assert illegal(log(*names))


def test_an_eventlog_says_that_a_job_was_run_again() -> None:
    assert not says_run_again(log("submit", "flux-restart", "start"))
    assert says_run_again(
        [*log("submit", "flux-restart"), Entry("memo", {"rerun": "it may have run"})]
    )
