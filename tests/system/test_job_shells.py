"""Jobs over several brokers: PMI, stdin, output, ends; and what is left when a broker dies."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import (
    broker_pid,
    command_line,
    mark,
    still_there,
    tree,
    until_none_sleeps,
    until_sleeping,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PMI = """
import sys
from broker.pmi_client import PmiClient
client = PmiClient.from_environment()
client.put(f"key{client.rank}", f"value{client.rank}")
client.barrier()
pairs = [client.get(f"key{rank}") for rank in range(client.size)]
client.barrier()
print(client.rank, client.size, ",".join(pairs), client.get("PMI_process_mapping"))
client.finalize()
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as instance:
        yield instance


def mini(instance: Instance, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return instance.run("mini", "run", *arguments, stdin=stdin, timeout=60)


def started(instance: Instance, *arguments: str) -> str:
    jobid = instance.run("mini", "submit", *arguments).stdout.strip()
    instance.run("job", "wait-event", "-p", "guest.exec.eventlog", "-t", "60", jobid, "shell.start")
    return jobid


def test_pmi_pairs_reach_every_rank(instance: Instance) -> None:
    done = mini(instance, "-N3", "-n6", sys.executable, "-c", PMI)
    values = ",".join(f"value{rank}" for rank in range(6))
    assert sorted(done.stdout.splitlines()) == [
        f"{rank} 6 {values} (vector,(0,3,2))" for rank in range(6)
    ]
    assert done.returncode == 0


def test_stdin_reaches_every_task(instance: Instance) -> None:
    done = mini(instance, "-N3", "-n6", "-l", "cat", stdin="hello\n")
    assert sorted(done.stdout.splitlines()) == [f"{rank}: hello" for rank in range(6)]


def test_one_file_gets_the_output_of_all_ranks(instance: Instance) -> None:
    path = instance.home / "all.txt"
    mini(instance, "-N3", "-n3", "-l", f"--output={path}", "sh", "-c", "echo rank $FLUX_TASK_RANK")
    assert sorted(path.read_text().splitlines()) == [f"{rank}: rank {rank}" for rank in range(3)]


def test_the_first_failure_ends_the_whole_job(instance: Instance) -> None:
    command = f"if [ $FLUX_TASK_RANK = 2 ]; then exit 4; fi; sleep {mark(4331)}"
    done = mini(instance, "-N3", "-n3", "-o", "exit-on-error", "sh", "-c", command)
    assert done.returncode == 143 or done.returncode == 4
    assert "rank 2 failed and exit-on-error is set" in done.stderr
    until_none_sleeps(mark(4331))


def test_cancel_ends_the_tasks_of_all_ranks(instance: Instance) -> None:
    jobid = started(instance, "-N3", "-n3", "sleep", mark(4332))
    until_sleeping(mark(4332), 3)
    instance.run("job", "cancel", jobid)
    assert "status=36608" in instance.run("job", "wait-event", "-t", "60", jobid, "finish").stdout
    until_none_sleeps(mark(4332))


def test_a_shell_that_cannot_start_its_task_does_not_hang_the_others(instance: Instance) -> None:
    done = mini(instance, "-N3", "-n3", "nosuchcommand")
    assert done.returncode == 127


def test_a_nested_instance_spans_the_ranks_of_its_job(instance: Instance) -> None:
    done = mini(instance, "-N2", "-n2", "flux", "start", "flux", "getattr", "size")
    assert (done.stdout, done.returncode) == ("2\n", 0)


def test_nothing_survives_a_killed_broker() -> None:
    with running_instance(1) as instance:
        started(instance, "sh", "-c", f"setsid sleep {mark(4333)} & sleep {mark(4333)}")
        tasks = until_sleeping(mark(4333), 2)
        pid = broker_pid(instance, 0)
        shells = [process for process in tree(pid) if "shell.host" in command_line(process)]
        assert len(shells) >= 2
        os.kill(pid, signal.SIGKILL)
        assert not still_there([*shells, *tasks])
