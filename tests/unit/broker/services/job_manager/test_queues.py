"""The states of queues, and how the machine serves several."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.services.job_manager.decisions import AskAlloc, CancelAlloc
from broker.services.job_manager.queues import NAMES_NEEDED, Queues, QueueSwitch

from .machine_fixture import decided, make, submit

if TYPE_CHECKING:
    from broker.services.job_manager.machine import Machine


def two() -> Queues:
    queues = Queues()
    queues.configure(["a", "b"])
    return queues


def machine_with(limit: int | None = None) -> Machine:
    machine = make(limit=limit)
    machine.configure_queues(["a", "b"])
    return machine


def test_which_queues_a_request_is_about() -> None:
    assert [queue.name for queue in Queues().select(None)] == [""]
    queues = two()
    assert queues.names == ["a", "b"]
    assert [queue.name for queue in queues.select("b")] == ["b"]
    assert [queue.name for queue in queues.select(None, every=True)] == ["", "a", "b"]
    with pytest.raises(OSError, match=NAMES_NEEDED) as failure:
        queues.select(None)
    assert failure.value.errno == errno.EINVAL
    with pytest.raises(OSError, match=r"^\[Errno 22\] 'c' is not a valid queue$"):
        queues.select("c")
    with pytest.raises(OSError, match="'c' is not a valid queue"):
        Queues().select("c")


def test_what_is_saved_and_restored() -> None:
    queues = two()
    queues.of("a").enable(QueueSwitch(False, "full"))
    queues.of("b").start(QueueSwitch(False, "shutdown"), save=False)
    queues.of("b").enable(QueueSwitch(False))
    saved = queues.save()
    later = two()
    later.restore(saved)
    assert later.of("a").status() == {"enable": False, "start": True, "disable_reason": "full"}
    assert later.of("b").status() == {"enable": False, "start": True}
    assert later.save() == saved
    unnamed = Queues()
    unnamed.restore(saved)
    assert unnamed.anonymous.status() == {"enable": True, "start": True}
    # What is not configured now is kept for when it is again.
    unnamed.configure(["a"])
    assert not unnamed.of("a").submission.on


@pytest.mark.parametrize("entries", [None, 7, ["x"], [{"name": 3, "enable": "no"}], [{}]])
def test_a_damaged_checkpoint_is_no_obstacle(entries: object) -> None:
    queues = two()
    queues.restore(entries)
    assert all(queue.submission.on and queue.scheduling.on for queue in queues)


def test_a_queue_that_is_gone_keeps_its_jobs_until_it_is_back() -> None:
    machine = machine_with()
    submit(machine, 1, queue="a")
    machine.configure_queues(["b"])
    assert decided(machine) == [(AskAlloc, 1), (CancelAlloc, 1)]
    machine.alloc_canceled(1)
    assert decided(machine) == []
    assert machine.queues.of("a").why_stopped() == "queue a is not configured"
    machine.configure_queues(["a", "b"])
    assert decided(machine) == [(AskAlloc, 1)]


def test_a_stopped_queue_does_not_hold_up_another() -> None:
    machine = machine_with()
    machine.start_queue(machine.queues.of("a"), QueueSwitch(False, "maint"))
    submit(machine, 1, queue="a")
    submit(machine, 2, queue="b")
    assert decided(machine) == [(AskAlloc, 2)]
    assert machine.queues.of("a").why_stopped() == "queue a is stopped: maint"
    machine.start_queue(machine.queues.of("a"), QueueSwitch())
    assert decided(machine) == [(AskAlloc, 1)]


def test_a_long_queue_leaves_room_for_others() -> None:
    machine = machine_with(limit=4)
    for id in range(1, 10):
        submit(machine, id, queue="a")
    assert decided(machine) == [(AskAlloc, 1), (AskAlloc, 2)]
    submit(machine, 20, queue="b")
    assert decided(machine) == [(AskAlloc, 20)]
    assert (machine.queues.pending, machine.queues.waiting) == (3, 7)


def test_more_queues_than_the_scheduler_takes_at_a_time() -> None:
    machine = machine_with(limit=1)
    submit(machine, 1, queue="a")
    submit(machine, 2, queue="b")
    assert decided(machine) == [(AskAlloc, 1)]
    assert machine.queues.pending == 1
    machine.alloc_success(1, {"version": 1}, None)
    assert (AskAlloc, 2) in decided(machine)


def test_annotations_of_a_canceled_request_are_gone() -> None:
    machine = machine_with()
    job = submit(machine, 1, queue="a")
    machine.alloc_annotate(1, {"sched": {"t_estimate": 5.0}, "user": {"k": "v"}})
    machine.start_queue(machine.queues.of("a"), QueueSwitch(False))
    machine.alloc_canceled(1)
    assert job.annotations == {"user": {"k": "v"}}
