"""The states of a broker."""

from __future__ import annotations

from broker.instance import Broker
from broker.runlevel import FAILURES, TRANSITIONS, Runlevel


def walk(*events: str) -> tuple[list[str], list[str]]:
    states: list[str] = []
    lines: list[str] = []
    clock = iter(range(100))
    level = Runlevel(lambda: float(next(clock)), lines.append, states.append)
    for event in events:
        level.post(event)
    return states, lines


def test_a_whole_life() -> None:
    states, lines = walk(
        *("start", "parent-none", "rc1-success", "quorum-full", "rc2-success"),
        *("cleanup-success", "children-none", "rc3-success"),
    )
    assert states == ["join", "init", "quorum", "run", "cleanup", "shutdown", "finalize", "exit"]
    assert lines[0] == "start: none->join 1s"


def test_an_event_of_another_state_is_ignored() -> None:
    states, lines = walk("start", "rc2-success", "parent-none")
    assert states == ["join", "init"]
    assert len(lines) == 2


def test_every_state_leads_to_the_exit() -> None:
    reached = {"exit"}
    while (
        more := {state for (state, _), after in TRANSITIONS.items() if after in reached} - reached
    ):
        reached |= more
    assert {state for state, _ in TRANSITIONS} <= reached


def test_shutdown_ends_every_state_before_it() -> None:
    for state in ("join", "init", "quorum", "run"):
        assert TRANSITIONS[state, "shutdown"] in ("cleanup", "shutdown")


def test_every_state_has_an_action_and_a_way_out_of_its_failure() -> None:
    states = set(TRANSITIONS.values())
    assert set(Broker.ACTIONS) == set(FAILURES) == states
    for state in states - {"exit"}:
        assert TRANSITIONS[state, FAILURES[state]] in states, state
    assert TRANSITIONS.get(("exit", FAILURES["exit"])) is None
