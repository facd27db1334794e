"""The instance's resources as data."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.resource.state import (
    Inventory,
    Resources,
    ranks_of,
    renumber,
    resource_set,
)
from flux.idset import IDset
from flux.resource.configured import make_r

FOUR = [Inventory(rank, "vm", "0-1", "", "x") for rank in range(4)]


def _resources(size: int = 4) -> Resources:
    state = Resources(size)
    for rank in range(size):
        state.report(Inventory(rank, f"node{rank}", "0-1", "", "x"))
    state.begin(IDset().set(0, size - 1), force_up=False)
    state.define(resource_set(state.inventory.values()))
    return state


def test_resource_set_is_that_of_the_recording() -> None:
    assert resource_set(FOUR) == {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
            "starttime": 0.0,
            "expiration": 0.0,
            "nodelist": ["vm,vm,vm,vm"],
        },
    }


def test_ranks_with_other_children_get_their_own_entry() -> None:
    mixed = [*FOUR[:2], Inventory(2, "big", "0-7", "0-1", "x")]
    assert resource_set(mixed)["execution"]["R_lite"] == [
        {"rank": "0-1", "children": {"core": "0-1"}},
        {"rank": "2", "children": {"core": "0-7", "gpu": "0-1"}},
    ]


def test_renumber_starts_at_rank_zero() -> None:
    job = make_r([{"rank": "3,7", "children": {"core": "2"}}], ["a", "b"], 5.0, 9.0)
    assert renumber(job) == make_r(
        [{"rank": "0-1", "children": {"core": "2"}}], ["a", "b"], 5.0, 9.0
    )


def test_acquire_then_changes_only() -> None:
    state = _resources()
    assert state.acquire()["up"] == "0-3"
    assert state.take_changes() == {}
    state.drain(IDset("1-2"), "bad", 10.0)
    assert state.take_changes() == {"down": "1-2"}
    state.unload(IDset("2"))
    assert state.update_online() == (IDset(), IDset("2"))
    assert state.take_changes() == {}
    state.undrain(IDset("1-2"))
    assert state.take_changes() == {"up": "1"}
    state.report(FOUR[2])
    assert state.update_online() == (IDset("2"), IDset())
    assert state.take_changes() == {"up": "2"}


def test_a_rank_is_online_once_its_broker_is_and_its_module_has_reported() -> None:
    state = Resources(4)
    state.begin(IDset("0-1"), force_up=False)
    assert state.online == IDset("0")
    state.report(FOUR[1])
    state.report(FOUR[2])  # before its broker counts as online
    assert state.update_online() == (IDset("1"), IDset())
    state.add_brokers(IDset("2-3"))
    assert state.update_online() == (IDset("2"), IDset())
    state.lose_brokers(IDset("1"))
    assert state.update_online() == (IDset(), IDset("1"))
    state.add_brokers(IDset("1"))  # started again, its module is not loaded yet
    assert state.update_online() == (IDset(), IDset())


def test_all_ranks_may_be_forced_up() -> None:
    state = Resources(4)
    state.begin(IDset("0"), force_up=True)
    assert state.online == IDset("0-3")


def test_excluded_ranks_are_never_up() -> None:
    state = _resources()
    state.exclude = IDset("0")
    answer = state.acquire()
    assert answer["up"] == "1-3"
    assert ranks_of(answer["resources"]).encode() == "0-3"
    assert state.replace_excluded(IDset("1")) == (IDset("1"), IDset("0"))
    assert state.take_changes() == {"up": "0", "down": "1"}
    assert state.replace_excluded(IDset("0")) == (IDset("0"), IDset("1"))
    assert state.status()["exclude"] == "0"


def test_status_groups_ranks_drained_together() -> None:
    state = _resources()
    state.drain(IDset("0-1"), "all", 1.5)
    state.drain(IDset("3"), "", 2.5)
    status = state.status()
    assert status["drain"] == {
        "0-1": {"timestamp": 1.5, "reason": "all"},
        "3": {"timestamp": 2.5, "reason": ""},
    }
    assert (status["online"], status["offline"]) == ("0-3", "")


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        ("99", "idset is out of range"),
        ("nosuch", "invalid targets: invalid hosts: nosuch"),
        ("", "idset is empty"),
    ],
)
def test_bad_targets(targets: str, text: str) -> None:
    with pytest.raises(OSError) as caught:
        _resources().targets(targets)
    assert (caught.value.errno, caught.value.strerror) == (errno.EINVAL, text)


def test_hosts_are_targets() -> None:
    assert _resources().targets("node[1-2]").encode() == "1-2"


def test_undrain_of_a_rank_not_drained() -> None:
    state = _resources()
    state.drain(IDset("0"), "", 1.0)
    with pytest.raises(OSError, match="rank 1 not drained"):
        state.undrain(IDset("0-1"))
    assert 0 in state.drained


def test_replay_restores_drained_ranks() -> None:
    state = Resources(2)
    state.replay(
        [
            {"timestamp": 1.0, "name": "drain", "context": {"idset": "0-5", "reason": "x"}},
            {"timestamp": 2.0, "name": "online", "context": {"idset": "0-5"}},
            {"timestamp": 3.0, "name": "undrain", "context": {"idset": "0"}},
        ]
    )
    assert {rank: why.reason for rank, why in state.drained.items()} == {1: "x"}


_OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["drain", "undrain", "online", "offline", "report", "unload"]),
        st.sets(st.integers(0, 7), min_size=1),
    ),
    max_size=30,
)


@given(_OPERATIONS)
def test_changes_add_up_to_the_ranks_that_are_up(operations: list[tuple[str, set[int]]]) -> None:
    state = _resources(8)
    told = IDset(state.acquire()["up"])
    for name, members in operations:
        ranks = IDset(members)
        if name == "drain":
            state.drain(ranks, "", 0.0)
        elif name == "undrain":
            state.undrain(IDset(rank for rank in ranks if rank in state.drained))
        elif name == "online":
            state.add_brokers(ranks)
        elif name == "offline":
            state.lose_brokers(ranks)
        elif name == "unload":
            state.unload(ranks)
        else:
            for rank in ranks:
                state.report(Inventory(rank, f"node{rank}", "0-1", "", "x"))
        state.update_online()
        changes = state.take_changes()
        told = told.difference(changes.get("down", "")).union(changes.get("up", ""))
        assert told == state.up()


def test_when_it_expires_is_changed_in_a_copy() -> None:
    state = Resources(1)
    assert not state.expire(5.0), "nothing is known yet"
    before = make_r([{"rank": "0", "children": {"core": "0"}}], ["a"], 1.0, 2.0)
    state.define(before)
    assert not state.expire(2.0)
    assert state.expire(5.0)
    assert state.resources is not None
    assert state.resources["execution"]["expiration"] == 5.0
    assert before["execution"]["expiration"] == 2.0
