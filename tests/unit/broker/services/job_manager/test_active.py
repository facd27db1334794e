"""The stored list of active jobs: whatever happened, it says which jobs a restart has to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_manager.active import ACTIVE_KEY, ActiveIndex, appends_before_rewrite
from broker.services.job_manager.events import JournalEvent
from broker.services.job_manager.states import Job

if TYPE_CHECKING:
    from flux.kvs_types import KvsPut


def event(id: int, name: str) -> JournalEvent:
    return JournalEvent(Job(id), 0, {"timestamp": 1.0, "name": name})


class Value:
    """What is stored at the key."""

    def __init__(self) -> None:
        self.text = ""
        self.writes = 0

    def apply(self, ops: list[KvsPut]) -> None:
        for op in ops:
            assert op.key == ACTIVE_KEY
            data = op.data.decode()
            self.writes += not op.flags
            self.text = self.text + data if op.flags else data


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(1, 12), st.sampled_from(["submit", "start", "clean"])), max_size=6
        ),
        st.sampled_from(["stored", "lost", "stored but answered with an error"]),
    ),
    max_size=60,
)


@given(steps)
def test_the_stored_list_is_that_of_the_jobs(
    script: list[tuple[list[tuple[int, str]], str]],
) -> None:
    index, stored = ActiveIndex(), Value()
    active: dict[int, None] = {}
    greatest = 0
    for batch, outcome in script:
        events = [event(id, name) for id, name in batch]
        ops = index.operations(events)
        for id, name in batch:
            if name == "submit":
                active[id] = None
                greatest = max(greatest, id)
            elif name == "clean":
                active.pop(id, None)
        if outcome != "lost":
            stored.apply(ops)
        if outcome != "stored":
            index.uncertain()
            stored.apply(index.operations(events))  # tried again
        found = ActiveIndex.parse(stored.text)
        assert found.ids.keys() == active.keys()
        assert found.max_jobid == greatest


def test_a_job_that_could_not_be_stored_is_not_listed() -> None:
    index, stored = ActiveIndex(), Value()
    stored.apply(index.operations([event(1, "submit")]))
    index.operations([event(2, "submit")])
    index.discard(2)
    stored.apply(index.operations([event(3, "submit")]))
    assert list(ActiveIndex.parse(stored.text).ids) == [1, 3]


def test_appends_are_bounded() -> None:
    index, stored = ActiveIndex(), Value()
    for id in range(1, 200):
        stored.apply(index.operations([event(id, "submit"), event(id, "clean")]))
    assert (
        199 // appends_before_rewrite(0)
        <= stored.writes
        <= 1 + 199 // appends_before_rewrite(0) + 1
    )
    assert (
        appends_before_rewrite(0)
        < appends_before_rewrite(2000)
        <= appends_before_rewrite(10**6)
        == 256
    )


@pytest.mark.parametrize("text", ["garbage", "+x\n", "max \n", "{}"])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ActiveIndex.parse(text)
