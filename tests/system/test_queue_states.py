"""Queues in a running instance: their states outlive it, however it ends; a reload changes them;
several ranks submit to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.core.handle import Flux
from flux.job.JobID import JobID
from flux.queue import QueueList, queue_list, queue_names, queue_status
from flux.testing.instance import Instance, running_instance

from .watching import kill_instance, until_equal

if TYPE_CHECKING:
    import pathlib

QUEUES = """
[queues.debug]
policy.limits.duration = "30m"
[queues.batch]
[policy.jobspec.defaults.system]
queue = "batch"
"""


def write(folder: pathlib.Path, text: str) -> str:
    (folder / "queues.toml").write_text(text)
    return f"--config-path={folder}/queues.toml"


def status(instance: Instance) -> list[str]:
    return instance.run("queue", "status").stdout.splitlines()


def test_states_outlive_a_kill_and_an_orderly_end(tmp_path: pathlib.Path) -> None:
    options = (write(tmp_path, QUEUES), f"-o,-Scontent.backing-path={tmp_path}/store.sqlite")
    expected = [
        "debug: Job submission is disabled: full",
        "debug: Scheduling is started",
        "batch: Job submission is enabled",
        "batch: Scheduling is stopped: maint",
    ]
    with running_instance(1, *options) as instance:
        instance.run("queue", "disable", "--queue=debug", "full")
        instance.run("queue", "stop", "--queue=batch", "maint")
        instance.run("queue", "stop", "--nocheckpoint", "--queue=debug", "today")
        job = instance.run("mini", "submit", "true").stdout.strip()
        kill_instance(instance)
    for _ in range(2):
        with running_instance(1, *options) as instance:
            assert status(instance) == expected
            reason = instance.run("jobs", "-n", "-o", "{state} {queue} {reason}", job).stdout
            if reason.startswith("SCHED"):  # the orderly end of an instance cancels its jobs
                assert reason == "SCHED batch queue batch is stopped: maint\n"
    with running_instance(1, *options) as instance:
        instance.run("queue", "start", "--all")
        assert instance.run("mini", "run", "true").returncode == 0


def test_queues_that_come_and_go(tmp_path: pathlib.Path) -> None:
    with running_instance(2, write(tmp_path, "")) as instance, Flux(instance.uri) as handle:
        first = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
        write(tmp_path, QUEUES)
        assert instance.run("config", "reload").stderr == ""
        assert queue_names(handle) == ["debug", "batch"]
        # A job from before there were queues runs on.
        instance.run("job", "urgency", first, "default")
        assert instance.run("job", "attach", first).returncode == 0
        # Rank 1 has read no queues, and its submissions are judged all the same.
        said = instance.run("exec", "-r1", "flux", "mini", "submit", "--queue=x", "true").stderr
        assert "[Errno 1] Invalid queue 'x' specified\n" in said
        second = instance.run("exec", "-r1", "flux", "mini", "submit", "true").stdout.strip()
        assert instance.run("jobs", "-n", "-o", "{queue}", second).stdout == "batch\n"
        held = instance.run(
            "mini", "submit", "-q", "--queue=debug", "-t1m", "--urgency=hold", "true"
        )
        assert held.returncode == 0
        write(tmp_path, "[queues.batch]\n")
        assert instance.run("config", "reload").stderr == ""
        waiting = instance.run("jobs", "-n", "-q", "debug", "-o", "{id}").stdout.strip()
        instance.run("job", "urgency", waiting, "default")
        reason = instance.run("jobs", "-n", "-o", "{reason}", waiting).stdout
        assert reason == "queue debug is not configured\n"
        write(tmp_path, QUEUES)
        assert instance.run("config", "reload").stderr == ""
        assert instance.run("job", "attach", waiting).returncode == 0
        said = instance.run("mini", "submit", "true").stderr
        assert said == ""


def test_queues_for_programs(tmp_path: pathlib.Path) -> None:
    with running_instance(1, write(tmp_path, QUEUES)) as instance, Flux(instance.uri) as handle:
        debug, batch = queue_list(handle)
        listed = QueueList(handle)
        assert {queue.name for queue in listed} == {debug.queue, batch.queue}
        assert len(listed) == 2
        assert listed["debug"].enabled is (debug.submission == "enabled")
        assert listed["debug"].limits.duration == debug.limits.timelimit
        assert [queue.name for queue in QueueList(handle, ["debug"])] == ["debug"]
        with pytest.raises(ValueError, match="No such queue: nosuch"):
            QueueList(handle, ["nosuch"])
        assert (debug.queue, debug.limits.timelimit, debug.is_default) == ("debug", 1800.0, False)
        assert (batch.queuem, batch.submission, batch.scheduling) == (
            "batch*",
            "enabled",
            "started",
        )
        assert batch.resources.all.nnodes == 1
        assert queue_status(handle, "debug") == {"enable": True, "start": True}
        assert queue_status(handle, b"batch") == {"enable": True, "start": True}


def test_whole_nodes_are_whole() -> None:
    with running_instance(2) as instance:
        first = instance.run("mini", "submit", "-N1", "-n1", "-x", "sleep", "inf").stdout.strip()
        instance.run("job", "wait-event", first, "start")
        cores = instance.run("resource", "list", "-n", "-s", "allocated", "-o", "{nnodes} {rlist}")
        everything = instance.run("resource", "list", "-n", "-s", "all", "-o", "{ncores}").stdout
        rank, taken = cores.stdout.split()[1].split("/")
        assert rank in ("rank0", "rank1")
        in_all = int(everything) // 2
        assert taken == ("core0" if in_all == 1 else f"core[0-{in_all - 1}]")
        other = instance.run("mini", "submit", "-N2", "-n2", "-x", "true").stdout.strip()
        reason = instance.run("jobs", "-n", "-o", "{reason}", other).stdout
        assert reason == "insufficient resources\n"
        behind = instance.run("mini", "submit", "true").stdout.strip()
        reason = instance.run("jobs", "-n", "-o", "{reason}", behind).stdout
        assert reason == f"behind job {JobID(other).f58}\n"
        instance.run("job", "cancel", first)
        assert instance.run("job", "attach", other).returncode == 0


def test_without_a_scheduler_nothing_is_scheduled(tmp_path: pathlib.Path) -> None:
    offline = "Scheduling is stopped: Scheduler is offline"
    with running_instance(1, write(tmp_path, QUEUES)) as instance:
        instance.run("module", "remove", "sched-simple")
        until_equal(lambda: status(instance)[1::2], [f"debug: {offline}", f"batch: {offline}"])
        table = instance.run("queue", "list", "-n", "-o", "{queue} {scheduling} {stop_reason}")
        expected = ["debug", "batch"]
        assert table.stdout.splitlines() == [
            f"{name} stopped Scheduler is offline" for name in expected
        ]
        instance.run("module", "load", "sched-simple")
        until_equal(
            lambda: status(instance)[1::2],
            ["debug: Scheduling is started", "batch: Scheduling is started"],
        )
        assert instance.run("mini", "run", "true").returncode == 0
    with running_instance(1) as instance:
        instance.run("module", "remove", "sched-simple")
        until_equal(
            lambda: instance.run("queue", "status").stderr.splitlines()[-1],
            "flux-queue: Scheduling is disabled: Scheduler is offline",
        )
