"""What the machine decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.services.job_manager.decisions import (
    AskAlloc,
    CancelAlloc,
    EndJob,
    FreeResources,
    PrioritizeAlloc,
    StartJob,
    TellException,
    TellPriority,
)
from broker.services.job_manager.machine import Machine
from broker.services.job_manager.queues import QueueSwitch
from flux.constants import FLUX_JOB_PRIORITY_MAX
from flux.job.lifecycle import CLEANUP, INACTIVE, PRIORITY, RUN, SCHED

from .machine_fixture import UrgencyIsPriority, decided, make, names, submit

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job

R = {"version": 1}


def start(machine: Machine, id: int) -> Job:
    """Submit a job and have it allocated and running."""
    job = submit(machine, id)
    machine.alloc_success(id, R, {"sched": {"resource_summary": "rank0/core0"}})
    machine.exec_started(id)
    machine.decisions.clear()
    return job


def test_a_normal_life() -> None:
    machine = make()
    job = submit(machine, 1)
    assert decided(machine) == [(AskAlloc, 1)]
    machine.alloc_success(1, R, {"sched": {"resource_summary": "rank0/core0"}})
    assert decided(machine) == [(StartJob, 1)]
    machine.exec_started(1)
    machine.exec_finished(1, 0)
    assert (job.state, decided(machine)) == (CLEANUP, [])
    machine.exec_released(1, "all", True)
    assert decided(machine) == [(FreeResources, 1)]
    machine.freed(1)
    assert decided(machine) == [(EndJob, 1)]
    assert names(job) == [
        "submit",
        "depend",
        "priority",
        "alloc",
        "start",
        "finish",
        "release",
        "free",
        "clean",
    ]
    assert not machine.jobs
    assert machine.max_jobid == 1


def test_held_job_waits_for_an_urgency() -> None:
    machine = make()
    job = submit(machine, 1, urgency=0)
    assert (job.state, job.priority, decided(machine)) == (SCHED, 0, [])
    assert machine.queues.waiting == 0
    machine.set_urgency(job, 20, 0)
    assert names(job)[-2:] == ["urgency", "priority"]
    assert decided(machine) == [(AskAlloc, 1)]
    machine.set_urgency(job, 31, 0)
    assert job.priority == FLUX_JOB_PRIORITY_MAX
    assert decided(machine) == [(PrioritizeAlloc, 1)]
    machine.set_urgency(job, 0, 0)
    assert decided(machine) == [(CancelAlloc, 1)]
    machine.alloc_canceled(1)
    assert decided(machine) == []
    assert not job.alloc_pending


def test_unavailable_priority_keeps_the_job_in_priority() -> None:
    hooks = UrgencyIsPriority()
    hooks.available = False
    machine = Machine(hooks, lambda: 1.0)
    machine.sched_ready(None)
    job = submit(machine, 1)
    assert job.state == PRIORITY
    machine.reprioritize(job, 42)
    assert (job.state, job.priority) == (SCHED, 42)


def test_dependencies_hold_the_job() -> None:
    machine = make()
    job = submit(machine, 1, dependencies=("a", "b"))
    machine.remove_dependency(job, "a")
    assert decided(machine) == []
    machine.remove_dependency(job, "nosuch")
    machine.remove_dependency(job, "b")
    assert names(job)[-4:] == ["dependency-remove", "dependency-remove", "depend", "priority"]
    assert decided(machine) == [(AskAlloc, 1)]


@pytest.mark.parametrize("urgency", [0, 16])
def test_cancel_while_pending(urgency: int) -> None:
    machine = make()
    job = submit(machine, 1, urgency=urgency)
    decided(machine)
    machine.raise_exception(job, "cancel", 0, "", 0)
    if urgency:
        assert decided(machine) == [(TellException, 1), (CancelAlloc, 1)]
        assert job.state == CLEANUP
        machine.alloc_canceled(1)
        assert decided(machine) == [(EndJob, 1)]
    else:
        assert decided(machine) == [(TellException, 1), (EndJob, 1)]
    assert names(job)[-2:] == ["exception", "clean"]


def test_cancel_crosses_the_allocation() -> None:
    machine = make()
    job = submit(machine, 1)
    machine.raise_exception(job, "cancel", 0, "", 0)
    decided(machine)
    machine.alloc_success(1, R, None)
    assert decided(machine) == [(FreeResources, 1)]
    machine.freed(1)
    assert names(job)[-4:] == ["exception", "alloc", "free", "clean"]
    assert job.state == INACTIVE


def test_cancel_while_running_waits_for_the_shells() -> None:
    machine = make()
    job = start(machine, 1)
    machine.raise_exception(job, "cancel", 0, "", 0)
    assert decided(machine) == [(TellException, 1)]
    machine.exec_finished(1, 36608)
    machine.exec_released(1, "all", True)
    machine.freed(1)
    assert names(job)[-5:] == ["exception", "finish", "release", "free", "clean"]


def test_minor_exception_changes_nothing() -> None:
    machine = make()
    job = start(machine, 1)
    machine.raise_exception(job, "foo", 7, "note here", 0)
    assert job.state == RUN


def test_denied_request() -> None:
    machine = make()
    job = submit(machine, 1)
    machine.annotate(job, {"user": {"k": "v"}})
    machine.alloc_deny(1, "unsatisfiable request")
    assert job.annotations is None
    assert job.exception == ("alloc", "unsatisfiable request")
    assert names(job)[-2:] == ["exception", "clean"]


def test_execution_that_fails() -> None:
    machine = make()
    job = submit(machine, 1)
    machine.alloc_success(1, R, None)
    machine.exec_failed(1, "no shell")
    assert job.exception == ("exec", "no shell")
    machine.freed(1)
    assert names(job)[-4:] == ["alloc", "exception", "free", "clean"]


def test_release_without_finish_is_an_exception() -> None:
    machine = make()
    job = start(machine, 1)
    machine.exec_released(1, "all", True)
    assert job.exception is not None
    assert machine.running == 0


def test_stopping_the_queue_takes_requests_back() -> None:
    machine = make()
    job = submit(machine, 1)
    decided(machine)
    machine.start_queue(machine.queues.anonymous, QueueSwitch(False, "maint"))
    assert decided(machine) == [(CancelAlloc, 1)]
    machine.alloc_canceled(1)
    assert decided(machine) == []
    assert (machine.queues.waiting, machine.queues.anonymous.scheduling.reason) == (1, "maint")
    machine.start_queue(machine.queues.anonymous, QueueSwitch())
    assert decided(machine) == [(AskAlloc, 1)]
    assert job.alloc_pending


def test_limit_lets_the_best_in_and_makes_room() -> None:
    machine = make(limit=2)
    for id, urgency in ((1, 10), (2, 12), (3, 11)):
        submit(machine, id, urgency)
    assert decided(machine) == [(AskAlloc, 1), (AskAlloc, 2), (CancelAlloc, 1)]
    machine.alloc_canceled(1)
    assert decided(machine) == [(AskAlloc, 3)]
    assert list(machine.queues.anonymous.waiting) == [1]
    submit(machine, 4, 5)
    assert decided(machine) == []
    assert list(machine.queues.anonymous.waiting) == [1, 4]


def test_lost_scheduler() -> None:
    machine = make()
    submit(machine, 1)
    ended = start(machine, 2)
    machine.exec_finished(2, 0)
    machine.exec_released(2, "all", True)
    decided(machine)
    machine.sched_lost()
    assert (machine.queues.pending, machine.queues.waiting, machine.free_pending) == (0, 1, 1)
    assert decided(machine) == []
    machine.freed(2)
    assert ended.state == INACTIVE
    assert machine.sched_ready(None) == 1
    assert decided(machine) == [(EndJob, 2), (AskAlloc, 1)]


def test_jobs_end_without_a_scheduler() -> None:
    machine = make()
    job = start(machine, 1)
    machine.sched_lost()
    decided(machine)
    machine.exec_finished(1, 0)
    machine.exec_released(1, "all", True)
    assert decided(machine) == [(FreeResources, 1)]
    machine.freed(1)
    assert job.state == INACTIVE


@pytest.mark.parametrize("becomes_ready", [True, False])
def test_a_scheduler_that_arrives_is_told_of_free_resources_when_it_is_ready(
    becomes_ready: bool,
) -> None:
    machine = make()
    start(machine, 1)
    start(machine, 2)
    machine.exec_finished(2, 0)
    machine.sched_lost()
    machine.exec_released(2, "all", True)
    decided(machine)
    machine.sched_arrives()
    machine.free_later(2)
    machine.exec_finished(1, 0)
    machine.exec_released(1, "all", True)
    assert (decided(machine), machine.free_pending) == ([], 0)
    if becomes_ready:
        machine.sched_ready(None)
    else:
        machine.sched_lost()
    assert set(decided(machine)) == {(FreeResources, 1), (FreeResources, 2)}


def test_jobs_wait_for_the_execution_service() -> None:
    machine = make(execution=False)
    submit(machine, 1)
    machine.alloc_success(1, R, None)
    decided(machine)
    machine.exec_ready()
    assert decided(machine) == [(StartJob, 1)]


def test_debug_events() -> None:
    machine = make()
    job = submit(machine, 1, flags=2)
    machine.alloc_success(1, R, None)
    machine.exec_finished(1, 0)
    machine.exec_released(1, "all", True)
    assert [name for name in names(job) if name.startswith("debug.")] == [
        "debug.alloc-request",
        "debug.start-request",
        "debug.free-request",
    ]


@pytest.mark.parametrize("method", ["exec_started", "freed", "alloc_canceled"])
def test_answers_for_unknown_jobs_are_ignored(method: str) -> None:
    machine = make()
    getattr(machine, method)(99)
    assert not machine.log


def test_a_priority_that_is_computed_again_and_again_is_told_but_not_logged() -> None:
    machine = make()
    job = submit(machine, 1)
    before = names(job)
    decided(machine)
    machine.rerank(job, 42)
    assert job.priority == 42
    assert job.reranked
    assert names(job) == before
    assert decided(machine) == [(TellPriority, 1), (PrioritizeAlloc, 1)]
    machine.rerank(job, 42)
    assert decided(machine) == []
    machine.reprioritize(job, 43)
    assert not job.reranked, "now the eventlog has it"
    assert names(job) == [*before, "priority"]


def test_held_and_expedited_jobs_keep_their_priorities_whatever_is_computed() -> None:
    machine = make()
    held, expedited = submit(machine, 1, urgency=0), submit(machine, 2, urgency=31)
    decided(machine)
    for job in (held, expedited):
        before = job.priority
        machine.rerank(job, 42)
        assert job.priority == before
    assert decided(machine) == []


def test_the_first_priority_is_logged() -> None:
    machine = make()
    hooks = machine.hooks
    assert isinstance(hooks, UrgencyIsPriority)
    hooks.available = False
    job = submit(machine, 1)
    assert job.priority == -1
    machine.rerank(job, 42)
    assert names(job)[-1] == "priority"
    assert job.state == SCHED
    machine.dispatch()
    machine.alloc_success(1, {}, None)
    machine.rerank(job, 43)
    assert job.priority == 42, "it has its resources"


def test_jobs_at_the_scheduler_are_not_exchanged_while_priorities_change() -> None:
    machine = make(limit=1)
    first, second = submit(machine, 1), submit(machine, 2)
    decided(machine)
    machine.unsettled = True
    machine.rerank(second, 50)
    assert (CancelAlloc, first.id) not in decided(machine)
    machine.rerank(first, 60)
    machine.unsettled = False
    assert decided(machine) == [(TellPriority, 1), (PrioritizeAlloc, 1)]
    machine.rerank(second, 70)
    assert (CancelAlloc, first.id) in decided(machine)
