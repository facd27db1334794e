"""The same eventlog means the same job to everybody who reads it: manager, list, dashboard, bulk
submission (RFC 21).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.job_list.record import ListedJob
from broker.services.job_manager import states as manager
from flux.job.event import EventLogEvent
from flux.job.lifecycle import (
    FATAL_EXCEPTION,
    INACTIVE,
    NEW,
    TRANSITIONS,
    JobHistory,
    next_state,
    observed_state,
)
from flux.job.states import JobResult
from fluxctl.mini.tally import JobProgress, Tally
from tui.model.states import STATUS_INDEX
from tui.model.table import JobTable

if TYPE_CHECKING:
    from flux.job.types import EventEntry

Entry = dict[str, Any]

JOURNAL_ONLY = frozenset(("annotations",))
"""What the journal tells and no eventlog holds."""
UNMOVED = ("memo", "debug.free-request", "annotations", "exception")
NOTES = st.sampled_from(
    [
        None,
        {},
        {"sched": {"resource_summary": "rank0/core0"}},
        {"sched": {"resource_summary": "rank1/core[0-1]", "t_estimate": 5.0}},
        {"sched": {"reason_pending": "no cores"}, "user": {"k": "v", "n": 1}},
        {"user": {"k": "other"}},
    ]
)
CONTEXTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "submit": st.fixed_dictionaries(
        {
            "userid": st.integers(0, 9),
            "urgency": st.integers(0, 31),
            "flags": st.sampled_from([0, 2]),
        }
    ),
    "priority": st.fixed_dictionaries({"priority": st.integers(0, 2**32 - 1)}),
    "urgency": st.fixed_dictionaries({"userid": st.just(0), "urgency": st.integers(0, 31)}),
    "alloc": NOTES.map(lambda notes: {"annotations": notes} if notes else {}),
    "annotations": NOTES.map(lambda notes: {"annotations": notes}),
    "finish": st.sampled_from([0, 0, 256, 15, 0x8F00]).map(lambda status: {"status": status}),
    "release": st.booleans().map(lambda final: {"ranks": "all", "final": final}),
    "dependency-add": st.sampled_from("abc").map(lambda name: {"description": name}),
    "dependency-remove": st.sampled_from("abc").map(lambda name: {"description": name}),
    "exception": st.builds(
        lambda kind, severity, note: {
            "type": kind,
            "severity": severity,
            "note": note,
            "userid": 0,
        },
        st.sampled_from(["cancel", "timeout", "exec", "other"]),
        st.sampled_from([0, 0, 1, 5]),
        st.sampled_from(["", "because"]),
    ),
    "memo": st.sampled_from([{"k": "memo"}, {"k": None}, {"m": {"deep": 1}}]),
}


@st.composite
def eventlogs(draw: st.DrawFn) -> list[Entry]:
    """A random walk through the transition table; it may stop anywhere, or end with the job."""
    entries: list[Entry] = []
    state = NEW
    for step in range(draw(st.integers(1, 30))):
        legal = sorted(
            name
            for name, table in TRANSITIONS.items()
            if state in table and (step or name == "submit")
        )
        name = draw(st.sampled_from([*legal, *UNMOVED] if step else ["submit"]))
        entry: Entry = {"timestamp": 100.0 + step, "name": name}
        if name in CONTEXTS:
            entry["context"] = draw(CONTEXTS[name])
        entries.append(entry)
        state = next_state(state, name, entry.get("context"))
        if state == INACTIVE:
            break
    return entries


class Readers:
    """Everybody who follows a job, each by its own code."""

    def __init__(self) -> None:
        self.state = NEW
        self.history = JobHistory()
        self.manager = manager.Job(7)
        self.record = ListedJob(7)
        self.table = JobTable()
        self.progress = JobProgress()
        self.tally = Tally()
        self.tally.accept()

    def take(self, entry: Entry) -> None:
        """Give an entry to all."""
        self.state = next_state(self.state, entry["name"], entry.get("context"))
        self.history.apply(entry)
        self.record.apply(entry)
        self.table.apply(7, entry)
        if entry["name"] not in JOURNAL_ONLY:
            manager.apply(self.manager, cast("EventEntry", entry))
            self.tally.follow(self.progress, EventLogEvent(entry))

    def check_state(self) -> None:
        """All agree on where the job is, and what it is called for."""
        table, history = self.table, self.history
        assert (
            self.state == history.state == self.manager.state == self.record.state == table.state[0]
        )
        assert history.urgency == self.manager.urgency == self.record.urgency == table.urgency[0]
        assert self.tally.running == self.progress.running == history.running
        priority = -1 if history.priority is None else history.priority
        assert priority == self.manager.priority == table.priority[0]
        assert history.priority == self.record.priority
        for name in ("t_run", "t_cleanup", "t_inactive"):
            stamp = getattr(history, name)
            assert stamp == getattr(self.record, name)
            assert (stamp or 0.0) == getattr(table, name)[0]
        assert (
            history.t_submit == self.manager.t_submit == self.record.t_submit == table.t_submit[0]
        )

    def check_facts(self) -> None:
        """All agree on what was said about it."""
        table, history = self.table, self.history
        assert (
            set(history.dependencies) == self.manager.dependencies == set(self.record.dependencies)
        )
        assert list(history.dependencies) == table.dependencies.get(0, [])
        worst = (history.exception_type, history.exception_severity, history.exception_note)
        assert table.exception.get(0, (None, None, None)) == worst
        assert (
            self.record.exception_type,
            self.record.exception_severity,
            self.record.exception_note,
        ) == worst
        fatal = (history.exception_type, history.exception_note) if history.failed_fatally else None
        assert self.manager.exception == fatal
        assert self.progress.exception == fatal
        assert history.waitstatus == self.manager.status == self.record.waitstatus
        assert history.annotations == table.annotations_of(0)
        assert history.annotations == self.record.annotations

    def check_result(self) -> None:
        """All agree on how it ended."""
        history, table = self.history, self.table
        assert history.result is not None
        assert table.status[0] == STATUS_INDEX[INACTIVE << 4 | history.result]
        self.tally.finish(self.progress)
        completed = history.result == JobResult.COMPLETED
        assert (self.tally.complete, self.tally.failed) == ((1, 0) if completed else (0, 1))
        assert (self.tally.exit_code == 0) == completed
        assert self.record.result == history.result
        assert self.record.success == completed
        # Waiters and dependencies are told whether all went well, which no fatal exception is.
        assert self.manager.success == (completed and not history.failed_fatally)


@settings(max_examples=150, deadline=None)
@given(eventlogs())
def test_every_reader_sees_the_same_job(entries: list[Entry]) -> None:
    readers = Readers()
    for entry in entries:
        readers.take(entry)
        readers.check_state()
        readers.check_facts()
    if readers.state == INACTIVE:
        readers.check_result()


@settings(max_examples=100, deadline=None)
@given(eventlogs(), st.data())
def test_a_part_read_twice_changes_nothing(entries: list[Entry], data: st.DataObject) -> None:
    """A reader that loads a list and then gets the journal since before that, as the dashboard
    does, sees the same.
    """
    once, twice = JobTable(), JobTable()
    for entry in entries:
        once.apply(7, entry)
        twice.apply(7, entry)
    for entry in entries[data.draw(st.integers(0, len(entries))) :]:
        twice.apply(7, entry)
    for column in ("state", "status", "waitstatus", "t_inactive", "urgency", "priority"):
        assert getattr(once, column) == getattr(twice, column)
    assert once.counts == twice.counts
    assert once.finished == twice.finished


@settings(max_examples=100, deadline=None)
@given(eventlogs(), st.data())
def test_a_log_read_from_its_middle_ends_the_same(
    entries: list[Entry], data: st.DataObject
) -> None:
    state = NEW
    for entry in entries:
        state = next_state(state, entry["name"], entry.get("context"))
    late = NEW
    for entry in entries[data.draw(st.integers(0, len(entries) - 1)) :]:
        late = observed_state(late, entry["name"], entry.get("context"))
    assert late <= state
    if state == INACTIVE:
        assert late == INACTIVE


def test_readers_never_go_back_but_where_it_is_legal() -> None:
    for name in TRANSITIONS:
        for state in (1, 2, 4, 8, 16, 32, 64):
            after = observed_state(state, name, {})
            assert after >= state or TRANSITIONS[name].get(state) == after
    assert all(
        observed_state(state, "exception", {"severity": 0}) == 32 for state in FATAL_EXCEPTION
    )
    assert observed_state(64, "exception", {"severity": 0}) == 64
