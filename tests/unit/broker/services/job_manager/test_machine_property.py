"""Random stimuli, sensible or not, never lead a job out of the tables, and every job comes to an
end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.job_manager.decisions import AskAlloc, Decision, FreeResources, StartJob
from broker.services.job_manager.queues import QueueSwitch
from broker.services.job_manager.states import Job, apply, broken_rules
from flux.job.lifecycle import (
    DEPEND,
    FATAL_EXCEPTION,
    INACTIVE,
    PRIORITY,
    SCHED,
    TRANSITIONS,
)
from flux.job.state_names import SINGLE_STATES

from .machine_fixture import UrgencyIsPriority, make, submit

if TYPE_CHECKING:
    from broker.services.job_manager.machine import Machine

QUESTIONS = (AskAlloc, StartJob, FreeResources)
IDS = st.integers(1, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), IDS, st.sampled_from([0, 5, 16, 31])),
        st.tuples(st.just("urgency"), IDS, st.sampled_from([0, 5, 16, 31])),
        st.tuples(st.sampled_from(["update", "move"]), IDS, st.sampled_from([0, 1, 2])),
        st.tuples(st.sampled_from(["success", "deny", "canceled", "annotate"]), IDS, st.just(0)),
        st.tuples(
            st.sampled_from(["started", "finished", "released", "failed", "freed"]),
            IDS,
            st.sampled_from([0, 256]),
        ),
        st.tuples(st.just("exception"), IDS, st.sampled_from([0, 0, 5])),
        st.tuples(
            st.sampled_from(
                ["stop", "start", "configure", "sched-lost", "sched-arrives", "sched-ready"]
            ),
            IDS,
            st.sampled_from([1, 2, 8]),
        ),
    ),
    max_size=60,
)


QUEUES = ("", "a", "b")
CONFIGURED: tuple[list[str], ...] = (["a", "b"], ["b"], [])


ANSWERS: dict[str, type[Decision]] = {
    **dict.fromkeys(("success", "deny", "canceled"), AskAlloc),
    **dict.fromkeys(("started", "finished", "released", "failed"), StartJob),
    "freed": FreeResources,
}


class Driver:
    """Applies stimuli as the service would: answers are only given to questions that were asked."""

    def __init__(self) -> None:
        self.hooks = UrgencyIsPriority()
        self.machine: Machine = make(limit=2)
        self.machine.hooks = self.hooks
        self.asked: dict[type[Decision], set[int]] = {kind: set() for kind in QUESTIONS}
        self.all: list[Job] = []

    def take(self) -> None:
        self.machine.dispatch()
        for decision in self.machine.decisions:
            kind, job = type(decision), decision.job
            if kind in QUESTIONS:
                assert job.id not in self.asked[kind], f"{kind} asked twice"
                self.asked[kind].add(job.id)
            assert kind is not StartJob or job.has_resources
        self.machine.decisions.clear()
        assert not [rule for job in self.all for rule in broken_rules(job)]
        assert self.machine.queues.pending <= (self.machine.limit or 2)
        self.check_census()

    def check_census(self) -> None:
        machine = self.machine
        known = [*machine.jobs.values(), *machine.embryos.values()]
        for queue in (None, *QUEUES):
            of_queue = [job for job in known if queue in (None, job.queue)]
            assert machine.census.count(None, queue) == len(of_queue)
            for state in SINGLE_STATES:
                counted = sum(job.state == state for job in of_queue)
                assert machine.census.count((state,), queue) == counted
            waiting = [job for job in of_queue if job.state in (DEPEND, PRIORITY, SCHED)]
            assert machine.pending_jobs(queue) == sum(job.id in machine.jobs for job in waiting)

    def answer(self, kind: type[Decision], id: int) -> bool:
        if id not in self.asked[kind]:
            return False
        self.asked[kind].discard(id)
        return True

    def step(self, name: str, id: int, value: int) -> None:
        machine = self.machine
        if name == "submit":
            new = 100 * (len(self.all) + 1) + id
            self.all.append(submit(machine, new, value, queue=QUEUES[id % 3]))
        elif name == "stop":
            machine.start_queue(machine.queues.of(QUEUES[id % 3]), QueueSwitch(False, "x"))
        elif name == "start":
            machine.start_queue(machine.queues.of(QUEUES[id % 3]), QueueSwitch())
        elif name == "configure":
            machine.configure_queues(CONFIGURED[id % 3])
        elif name.startswith("sched-"):
            machine.sched_lost()
            self.asked[AskAlloc].clear()
            for freed in list(self.asked[FreeResources]):
                self.answer(FreeResources, freed)
                machine.freed(freed)
            if name != "sched-lost":
                machine.sched_arrives()
            if name == "sched-ready":
                machine.sched_ready(value)
        else:
            self._job_step(name, self._meant(name, id), value)
        self.take()

    def _meant(self, name: str, number: int) -> Job | None:
        """Return a job that waits for such an answer if there is one, or any."""
        waiting = self.asked[ANSWERS[name]] if name in ANSWERS else ()
        jobs = [job for job in self.all if job.id in waiting] or self.all
        return jobs[number % len(jobs)] if jobs else None

    def _job_step(  # noqa: C901 - one line a stimulus
        self, name: str, job: Job | None, value: int
    ) -> None:
        if job is None:
            return
        machine, id = self.machine, job.id
        if name == "urgency" and id in machine.jobs and job.state in (2, 4, 8):
            machine.set_urgency(job, value, 0)
        elif name == "update" and id in machine.jobs:
            machine.update(job, {"attributes.system.duration": value})
        elif name == "move" and id in machine.jobs and job.state in (2, 4, 8):
            machine.update(job, {"attributes.system.queue": QUEUES[value]}, ["immutable"])
            assert job.queue == QUEUES[value]
        elif name == "exception" and id in machine.jobs:
            machine.raise_exception(job, "cancel", value, "", 0)
        elif name == "success" and self.answer(AskAlloc, id):
            if job.alloc_outdated:  # the driver gives them back
                machine.alloc_canceled(id)
            else:
                machine.alloc_success(id, {}, {"sched": {"n": 1}})
        elif name == "deny" and self.answer(AskAlloc, id):
            machine.alloc_deny(id, "no")
        elif name == "canceled" and self.answer(AskAlloc, id):
            machine.alloc_canceled(id)
        elif name == "annotate":
            machine.alloc_annotate(id, {"sched": {"n": None}})
        elif name == "freed" and self.answer(FreeResources, id):
            machine.freed(id)
        elif (
            name == "started"
            and id in self.asked[StartJob]
            and not job.started
            and job.status is None
        ):
            machine.exec_started(id)
        elif name == "finished" and id in self.asked[StartJob]:
            machine.exec_finished(id, value)
        elif name == "released" and self.answer(StartJob, id):
            machine.exec_released(id, "all", True)
        elif name == "failed" and self.answer(StartJob, id):
            machine.exec_failed(id, "lost")

    def serve(self) -> None:
        """Let every queue run and meet every request: all that may be scheduled is."""
        self.step("sched-ready", 1, 2)
        self.machine.configure_queues(["a", "b"])
        for queue in self.machine.queues:
            self.machine.start_queue(queue, QueueSwitch())
        for _ in range(2 * len(self.all) + 2):
            self.take()
            for id in list(self.asked[AskAlloc]):
                self.answer(AskAlloc, id)
                if self.machine.jobs[id].alloc_canceled:
                    self.machine.alloc_canceled(id)
                else:
                    self.machine.alloc_success(id, {}, None)
        assert self.machine.queues.waiting == self.machine.queues.pending == 0
        for job in self.all:
            assert job.state not in (4, 8) or job.priority == 0

    def finish(self) -> None:
        """Cancel everything and answer every question."""
        self.step("sched-ready", 1, 8)
        for job in list(self.machine.jobs.values()):
            self.machine.raise_exception(job, "cancel", 0, "", 0)
        for _ in range(6):
            self.take()
            for id in list(self.asked[AskAlloc]):
                self.answer(AskAlloc, id)
                self.machine.alloc_canceled(id)
            for id in list(self.asked[StartJob]):
                self.answer(StartJob, id)
                self.machine.exec_released(id, "all", True)
            for id in list(self.asked[FreeResources]):
                self.answer(FreeResources, id)
                self.machine.freed(id)


def check_transition(seen: tuple[int, str, int, int]) -> None:
    _, name, before, after = seen
    if name == "exception":
        assert after in (before, FATAL_EXCEPTION.get(before))
    elif name in TRANSITIONS:
        assert TRANSITIONS[name][before] == after
    else:
        assert before == after


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_random_stimuli(steps: list[tuple[str, int, int]]) -> None:
    driver = Driver()
    for name, id, value in steps:
        driver.step(name, id, value)
    driver.serve()
    driver.finish()
    machine = driver.machine
    assert not machine.jobs
    assert (
        machine.running,
        machine.free_pending,
        machine.queues.pending,
        machine.queues.waiting,
    ) == (
        0,
        0,
        0,
        0,
    )
    for job in driver.all:
        assert job.state == INACTIVE
        again = Job(job.id)
        for entry in job.entries:
            apply(again, entry)
        assert (again.state, again.urgency, again.priority, again.success) == (
            job.state,
            job.urgency,
            job.priority,
            job.success,
        )
        assert not again.has_resources
        assert [e["name"] for e in job.entries].count("clean") == 1
    for seen in driver.hooks.seen:
        check_transition(seen)
