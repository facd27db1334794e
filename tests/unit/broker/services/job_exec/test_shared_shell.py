"""Jobs that share a shell process: what they have in common, and what they do not."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from broker.services.shell_host import service as shell_host
from broker.services.shell_host import shared as shared_shell
from flux.job.JobID import id_encode
from tests.system.watching import mark, sleepers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def one_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs share one process, unless a test says otherwise."""
    monkeypatch.setattr(shell_host, "MOST_SHELLS", 1)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def ended(broker: Any) -> list[int]:
    """Return the jobs that have released their resources."""
    return [item["id"] for item in broker.said if item.get("type") == "release"]


def statuses(broker: Any) -> dict[int, int]:
    return {
        item["id"]: item["data"]["status"] for item in broker.said if item.get("type") == "finish"
    }


def notes(broker: Any) -> dict[int, str]:
    return {
        item["id"]: item["data"]["note"] for item in broker.said if item.get("type") == "exception"
    }


def the_shell(broker: Any) -> psutil.Process:
    """Return the one shared shell."""
    (shell,) = psutil.Process(broker.shells.host.pid).children()
    return shell


async def test_plain_jobs_share_a_process(broker: Any) -> None:
    for index in range(6):
        assert await broker.run(["sh", "-c", "echo $PPID"], jobid=7000 + index) == 0
        broker.said.clear()
    assert {broker.output(jobid=7000 + index) for index in range(6)} == {
        f"{the_shell(broker).pid}\n"
    }


async def test_each_has_its_own_directory_environment_and_files(
    broker: Any, tmp_path: Path
) -> None:
    command = ["sh", "-c", "pwd; echo $FLUX_JOB_ID; sleep 0.1; echo there > made"]
    for index in range(8):
        (tmp_path / str(index)).mkdir()
        options = {"output": {"stdout": {"type": "file", "path": "out"}}}
        broker.submit(
            command, jobid=index, cwd=str(tmp_path / str(index)), shell={"options": options}
        )
    await until(lambda: len(ended(broker)) == 8)
    for index in range(8):
        folder = tmp_path / str(index)
        assert (folder / "out").read_text() == f"{folder}\n{id_encode(index)}\n"
        assert (folder / "made").read_text() == "there\n"


async def test_a_directory_that_is_not_there_concerns_its_job_only(
    broker: Any, tmp_path: Path
) -> None:
    broker.submit(["pwd"], jobid=1, cwd="/nosuch")
    broker.submit(["pwd"], jobid=2, cwd=str(tmp_path))
    await until(lambda: len(ended(broker)) == 2)
    assert broker.output(jobid=1) == "/tmp\n"
    assert broker.output(jobid=2) == f"{tmp_path}\n"


async def test_a_signal_for_one_reaches_no_other(broker: Any) -> None:
    for index in (1, 2):
        broker.submit(["sleep", mark(6401)], jobid=index)
    await until(lambda: len(sleepers(mark(6401))) == 2)
    await broker.handle.publish("shell-1.kill", {"signum": int(signal.SIGUSR1)})
    await until(lambda: ended(broker) == [1])
    assert statuses(broker) == {1: (128 + signal.SIGUSR1) << 8}
    await broker.handle.publish("job-exception", {"id": 2, "type": "cancel", "severity": 0})
    await until(lambda: ended(broker) == [1, 2])
    assert sleepers(mark(6401)) == []


async def test_what_fails_in_one_leaves_the_others_alone(broker: Any) -> None:
    broker.submit(["sleep", mark(6402)], jobid=1)
    await until(lambda: sleepers(mark(6402)))
    broker.submit(["nosuchcmd"], jobid=2)
    options = {"exit-timeout": "0.1s"}
    timed_out = ["sh", "-c", f"[ $FLUX_TASK_RANK = 1 ] || sleep {mark(6403)}"]
    broker.submit(timed_out, jobid=3, ntasks=2, shell={"options": options})
    await until(lambda: sorted(ended(broker)) == [2, 3])
    assert statuses(broker) == {2: 127 << 8, 3: 1 << 8}
    assert sleepers(mark(6403)) == []
    assert len(sleepers(mark(6402))) == 1


async def test_what_a_job_leaves_behind_ends_with_it(broker: Any) -> None:
    broker.submit(["sleep", mark(6404)], jobid=1)
    await until(lambda: sleepers(mark(6404)))
    silent = f"sleep {mark(6405)} >/dev/null 2>&1"
    leave = f"{silent} & setsid {silent} &"
    assert await broker.run(["sh", "-c", leave], jobid=2) == 0
    assert sleepers(mark(6405)) == []
    assert len(sleepers(mark(6404))) == 1


async def test_what_does_not_say_whose_it_is_ends_with_the_last_that_it_may_be_of(
    broker: Any,
) -> None:
    broker.submit(["sleep", mark(6406)], jobid=1)
    await until(lambda: sleepers(mark(6406)))
    leave = f"env -i setsid sleep {mark(6407)} >/dev/null 2>&1 &"
    # Until then it has the environment of the job.
    leave += ' while [ "$(head -c 5 /proc/$!/cmdline)" != sleep ]; do :; done'
    assert await broker.run(["sh", "-c", leave], jobid=2) == 0
    await until(lambda: len(sleepers(mark(6407))) == 1)
    assert await broker.run(["true"], jobid=3) == 0
    assert len(sleepers(mark(6407))) == 1
    await broker.handle.publish("job-exception", {"id": 1, "type": "cancel", "severity": 0})
    await until(lambda: 1 in ended(broker))
    assert sleepers(mark(6407)) == []


async def test_what_is_left_gets_the_signal_that_ends_the_job(broker: Any, tmp_path: Path) -> None:
    trap = f"trap 'echo told > {tmp_path}/told; exit' TERM; echo > {tmp_path}/ready;"
    trap += " while :; do sleep 0.01; done"
    command = ["sh", "-c", f'sh -c "$TRAP" >/dev/null 2>&1 & exec sleep {mark(6408)}']
    environment = {"PATH": os.environ["PATH"], "TRAP": trap}
    broker.submit(command, jobid=1, environment=environment)
    await until(lambda: sleepers(mark(6408)) and (tmp_path / "ready").exists())
    await broker.handle.publish("job-exception", {"id": 1, "type": "cancel", "severity": 0})
    await until(lambda: ended(broker) == [1])
    assert (tmp_path / "told").read_text() == "told\n"


async def test_a_process_that_dies_takes_its_jobs_along_and_no_others(broker: Any) -> None:
    broker.submit(["sleep", mark(6409)], jobid=1)
    broker.submit(["sh", "-c", f"env -i setsid sleep {mark(6409)} & wait"], jobid=2)
    broker.submit(["sleep", mark(6410)], jobid=3, shell={"options": {"linger": 1}})
    await until(lambda: len(sleepers(mark(6409))) == 2 and sleepers(mark(6410)))
    psutil.Process(broker.shells.links[1].pid).kill()
    await until(lambda: sorted(ended(broker)) == [1, 2])
    assert notes(broker) == {}
    assert statuses(broker) == {1: 9, 2: 9}
    await until(lambda: sleepers(mark(6409)) == [])
    assert len(sleepers(mark(6410))) == 1
    broker.said.clear()
    assert await broker.run(["true"], jobid=4) == 0


async def test_jobs_are_shared_out_among_a_few_processes(broker: Any) -> None:
    broker.shells.most_shared = 2
    jobs = range(1, 6)
    for index in jobs:
        broker.submit(["sleep", mark(6412)], jobid=index)
    await until(lambda: len(sleepers(mark(6412))) == len(jobs))
    links = broker.shells.links
    assert sorted([links[index].pid for index in jobs].count(links[k].pid) for k in (1, 2)) == [
        2,
        3,
    ]
    lost = [index for index in jobs if links[index].pid == links[1].pid]
    psutil.Process(links[1].pid).kill()
    await until(lambda: sorted(ended(broker)) == lost)
    assert statuses(broker) == dict.fromkeys(lost, 9)
    assert len(sleepers(mark(6412))) == len(jobs) - len(lost)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGSEGV])
@pytest.mark.parametrize("shares", [True, False])
async def test_the_signal_that_ends_a_shell_is_the_status_of_its_jobs(
    broker: Any, number: int, shares: bool
) -> None:
    options = {} if shares else {"linger": 1}
    command = ["sh", "-c", f"ulimit -c 0; kill -{number} $PPID; sleep {mark(6413)}"]
    broker.submit(command, jobid=1, shell={"options": options})
    await until(lambda: ended(broker) == [1])
    assert (statuses(broker), notes(broker)) == ({1: number}, {})
    await until(lambda: sleepers(mark(6413)) == [])


async def test_a_process_that_is_stopped_is_given_up(broker: Any) -> None:
    broker.submit(["sleep", mark(6411)], jobid=1)
    await until(lambda: sleepers(mark(6411)))
    the_shell(broker).suspend()
    await until(lambda: ended(broker) == [1])
    assert "was lost" in notes(broker)[1]
    await until(lambda: sleepers(mark(6411)) == [])
    broker.said.clear()
    assert await broker.run(["true"], jobid=2) == 0


async def test_jobs_survive_the_host_and_new_ones_get_another(broker: Any) -> None:
    broker.submit(["sh", "-c", "sleep 1; echo survived"], jobid=1)
    await until(
        lambda: "shell.start" in [event["name"] for event in broker.log("exec.eventlog", 1)]
    )
    shell = the_shell(broker)
    psutil.Process(broker.shells.host.pid).kill()
    await until(lambda: not broker.shells.host.running)
    broker.submit(["sh", "-c", "echo $PPID"], jobid=2)
    await until(lambda: sorted(ended(broker)) == [1, 2])
    assert broker.output(jobid=1) == "survived\n"
    assert int(broker.output(jobid=2)) != shell.pid
    assert shell.wait(60) is None or not shell.is_running()


async def test_there_are_so_many_jobs_in_a_process(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_shell, "MOST_JOBS", 2)
    script = f"echo $PPID; until test -e {tmp_path}/go; do sleep 0.02; done"
    for index in range(5):
        broker.submit(["sh", "-c", script], jobid=index)
    await until(lambda: all(broker.output(jobid=index) for index in range(5)))
    (tmp_path / "go").touch()
    await until(lambda: len(ended(broker)) == 5)
    assert len({broker.output(jobid=index) for index in range(5)}) >= 3


async def test_a_job_that_writes_much_does_not_stop_the_others(broker: Any) -> None:
    broker.submit(["sh", "-c", "yes | head -c 3000000"], jobid=1)
    broker.submit(["echo", "quick"], jobid=2)
    await until(lambda: sorted(ended(broker)) == [1, 2])
    assert broker.output(jobid=1) == "y\n" * 1_500_000
    assert broker.output(jobid=2) == "quick\n"


async def test_a_malformed_job_fails_alone(broker: Any) -> None:
    broker.submit(["true"], jobid=1)
    broker.submit(["true"], jobid=2, shell={"options": {"exit-timeout": "often"}})
    await until(lambda: sorted(ended(broker)) == [1, 2])
    assert statuses(broker)[1] == 0
    assert statuses(broker)[2] != 0


async def test_what_comes_before_a_job_has_begun_is_not_lost(broker: Any) -> None:
    broker.exec.kill_timeout = 600.0  # it is not this that ends it
    broker.submit(["sleep", mark(6412)], jobid=1)
    await broker.handle.publish("job-exception", {"id": 1, "type": "cancel", "severity": 0})
    async with asyncio.timeout(60):
        await broker.done.wait()
    assert statuses(broker) == {1: (128 + signal.SIGTERM) << 8}


async def test_ended_jobs_leave_no_descriptors_and_no_binding(broker: Any, tmp_path: Path) -> None:
    assert await broker.run(["true"], jobid=1) == 0
    shell = the_shell(broker)
    before, cpus = shell.num_fds(), shell.cpu_affinity()
    files = {"output": {"stdout": {"type": "file", "path": str(tmp_path / "out")}}}
    for index in range(10, 40, 3):
        broker.submit(["nosuchcmd"], jobid=index)
        broker.submit(["echo", "x"], jobid=index + 1, shell={"options": files})
        broker.submit(["sh", "-c", "sleep 0.1 & exit 1"], jobid=index + 2)
    await until(lambda: len(ended(broker)) == 31)
    await until(lambda: shell.num_fds() == before)
    assert shell.cpu_affinity() == cpus
