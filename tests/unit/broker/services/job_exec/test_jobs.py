"""Whole jobs: job-exec, the shell host, the shell and real tasks, with the visible event logs of
the recordings.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import psutil
import pytest

from flux.job.JobID import id_encode

FLOW = ["init", "starting", "shell.init", "shell.start", "shell.task-exit", "complete", "done"]


def descendants() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if status(child)]


def name(process: psutil.Process) -> str:
    """The name of a process, empty for one that has ended."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def status(process: psutil.Process) -> str:
    """The state of a process, empty for one that has ended, now or before."""
    try:
        found = process.status()
    except psutil.NoSuchProcess:
        return ""
    return "" if found == psutil.STATUS_ZOMBIE else found


async def answers(broker: Any, payload: dict[str, Any]) -> list[Any]:
    async with broker.handle.stream("job-exec.start", payload, cancel=None) as stream:
        return [answer async for answer in stream]


async def test_a_job_runs_and_leaves_its_logs(broker: Any) -> None:
    assert await broker.run(["sh", "-c", "echo hi; echo err >&2"]) == 0
    assert [item["type"] for item in broker.said] == ["start", "finish", "release"]
    assert broker.names("exec.eventlog") == FLOW
    init = broker.log("exec.eventlog")[2]["context"]
    assert init == {"leader-rank": 0, "size": 1, "service": f"{os.getuid()}-shell-4242"}
    assert broker.output() == "hi\n"
    assert broker.output("stderr") == "err\n"
    assert broker.names("output")[0] == "header"
    assert [event["context"].get("eof") for event in broker.log("output")][-2:].count(True) >= 1
    assert broker.names("input") == ["header"]
    assert list(broker.kvs.spaces) == ["primary"]
    assert broker.kvs.spaces["primary"] == {
        "job.0000.0000.0000.1092.guest": {"ver": 1, "type": "dirref", "data": ["sha1-" + "0" * 40]}
    }


@pytest.mark.parametrize(
    ("command", "status", "note"),
    [
        (["sh", "-c", "exit 3"], 3 << 8, ""),
        (["sh", "-c", "kill -15 $$"], 143 << 8, ""),
        (["nosuchcmd"], 127 << 8, "task 0: start failed: nosuchcmd: No such file or directory"),
        (["/etc/passwd"], 126 << 8, "task 0: start failed: /etc/passwd: Permission denied"),
    ],
)
async def test_exit_status(broker: Any, command: list[str], status: int, note: str) -> None:
    assert await broker.run(command) == status
    assert [item["note"] for item in broker.manager.raised] == ([note] if note else [])


async def test_tasks_get_their_environment(broker: Any, tmp_path: Any) -> None:
    assert await broker.run(["env"], ntasks=2) == 0
    lines = set(broker.output().splitlines())
    assert {f"FLUX_TASK_RANK={rank}" for rank in (0, 1)} | {
        "FLUX_JOB_SIZE=2",
        "FLUX_JOB_NNODES=1",
    } <= lines
    assert {
        f"FLUX_JOB_ID={id_encode(4242)}",
        "FLUX_KVS_NAMESPACE=job-4242",
        "PMI_SIZE=2",
        "CUDA_VISIBLE_DEVICES=-1",
    } <= lines
    assert f"FLUX_URI=local://{tmp_path}/local" in lines
    tmpdir = next(line for line in lines if line.startswith("FLUX_JOB_TMPDIR=")).partition("=")[2]
    assert tmpdir.startswith(str(tmp_path))
    async with asyncio.timeout(60):
        while os.path.exists(tmpdir):  # it goes beside everything else
            await asyncio.sleep(0.005)


async def test_cancel_ends_the_tasks(broker: Any) -> None:
    broker.submit(["sleep", "100"])
    await broker.until_event("shell.start")
    await broker.handle.rpc(
        "job-manager.raise", {"id": 4242, "type": "cancel", "severity": 0, "note": ""}
    )
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 143 << 8}
    assert not [process for process in descendants() if name(process) == "sleep"]


async def test_a_task_that_ignores_sigterm_is_killed(broker: Any) -> None:
    broker.exec.kill_timeout = 0.1
    broker.submit(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
    await broker.until_event("data", "output")
    await broker.handle.publish("job-exception", {"id": 4242, "type": "cancel", "severity": 0})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 137 << 8}


async def test_a_cancel_after_the_time_limit_ends_what_ignored_that(broker: Any) -> None:
    script = "trap 'echo late' ALRM; trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    broker.submit(["bash", "-c", script])
    await broker.until_event("data", "output")
    broker.exec._expired(broker.exec.jobs[4242])  # noqa: SLF001 - the time limit, when it is due
    while "late" not in broker.output():
        await asyncio.sleep(0.01)
    await broker.handle.publish("job-exception", {"id": 4242, "type": "timeout", "severity": 0})
    await broker.handle.publish("job-exception", {"id": 4242, "type": "cancel", "severity": 0})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 9 << 8}


async def test_signal_event_reaches_the_tasks(broker: Any) -> None:
    broker.submit(["sleep", "100"])
    await broker.until_event("shell.start")
    await broker.handle.publish("shell-4242.kill", {"signum": 9})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 137 << 8}


async def test_the_time_limit_raises_a_timeout(broker: Any) -> None:
    assert await broker.run(["sleep", "100"], duration=0.2) == 142 << 8
    exception = {"type": "timeout", "severity": 0, "note": "resource allocation expired"}
    assert {"id": 4242, "type": "exception", "data": exception} in broker.said


async def test_stdin_reaches_the_task(broker: Any) -> None:
    broker.submit(["cat"])
    await broker.until_event("shell.init")
    topic = f"{os.getuid()}-shell-4242.stdin"
    await broker.handle.rpc(topic, {"stream": "stdin", "rank": "all", "data": "hello\n"})
    await broker.handle.rpc(topic, {"stream": "stdin", "rank": "all", "eof": True})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.output() == "hello\n"
    assert broker.names("input") == ["header", "data", "data"]
    with pytest.raises(OSError, match="No service matching"):
        await broker.handle.rpc(topic, {"stream": "stdin", "rank": "all", "eof": True})


async def test_output_to_a_file(broker: Any, tmp_path: Any) -> None:
    options = {"output": {"stdout": {"type": "file", "path": str(tmp_path / "out-{{id}}")}}}
    assert await broker.run(["sh", "-c", "echo a; echo b >&2"], shell={"options": options}) == 0
    path = next(tmp_path.glob("out-ƒ*"))
    assert sorted(path.read_text().splitlines()) == ["a", "b"]
    assert broker.names("output") == ["header", "redirect", "redirect"]


async def test_an_output_file_that_cannot_be_opened_fails_the_job(broker: Any) -> None:
    options = {"output": {"stdout": {"type": "file", "path": "/nosuch/dir/out"}}}
    assert await broker.run(["true"], shell={"options": options}) == 1 << 8
    assert [item["note"] for item in broker.manager.raised] == [
        "shell_init: No such file or directory"
    ]
    messages = [event["context"]["message"] for event in broker.log("output")]
    assert messages == [
        "error opening output file '/nosuch/dir/out': No such file or directory",
        "plugin 'output': shell.init failed",
        "shell_init: No such file or directory",
    ]


async def test_a_missing_directory_is_reported(broker: Any) -> None:
    assert await broker.run(["pwd"], cwd="/nosuch") == 0
    assert broker.output() == "/tmp\n"
    text = "Could not change dir to /nosuch: No such file or directory. Going to /tmp instead"
    logs = [
        event["context"]["data"] for event in broker.log("exec.eventlog") if event["name"] == "log"
    ]
    assert logs == [text + "\n", f"flux-shell: ERROR: {text}\n"]


async def test_much_output_arrives_whole(broker: Any) -> None:
    assert await broker.run(["seq", "1", "1500000"]) == 0
    assert broker.output() == "".join(f"{n}\n" for n in range(1, 1500001))


async def test_output_that_is_not_utf8(broker: Any) -> None:
    assert await broker.run(["printf", "\\377\\376x"]) == 0
    data = next(
        event["context"] for event in broker.log("output") if "data" in event.get("context", {})
    )
    assert data == {"stream": "stdout", "rank": "0", "encoding": "base64", "data": "//54"}


async def test_exit_on_error(broker: Any) -> None:
    command = ["sh", "-c", "if [ $FLUX_TASK_RANK = 1 ]; then exit 4; fi; sleep 100"]
    assert await broker.run(command, ntasks=2, shell={"options": {"exit-on-error": 1}}) == 4 << 8
    assert [item["note"] for item in broker.manager.raised] == [
        "rank 1 failed and exit-on-error is set"
    ]


async def test_exit_timeout(broker: Any) -> None:
    command = ["sh", "-c", "if [ $FLUX_TASK_RANK = 1 ]; then exit 0; fi; sleep 100"]
    assert (
        await broker.run(command, ntasks=2, shell={"options": {"exit-timeout": "0.2s"}}) == 1 << 8
    )
    assert [item["note"] for item in broker.manager.raised] == [
        "rank 1 exited and exit-timeout=0.2s has expired"
    ]


async def test_a_killed_shell_is_noticed_and_its_tasks_die(broker: Any) -> None:
    broker.submit(["sleep", "100"])
    await broker.until_event("shell.start")
    host = psutil.Process(broker.shells.host.pid)
    shell = host.children()[0]
    task = shell.children()[0]
    shell.kill()
    await asyncio.wait_for(broker.done.wait(), 60)
    assert [said["type"] for said in broker.said] == ["start", "finish", "release"]
    assert broker.said[1]["data"] == {"status": 9}
    psutil.wait_procs([task], timeout=60)
    assert not task.is_running()


async def test_stopping_the_broker_leaves_nothing(broker: Any) -> None:
    broker.submit(["sleep", "100"])
    await broker.until_event("shell.start")
    processes = descendants()
    assert len(processes) == 3
    await broker.stop()
    broker.mounted.clear()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []


async def test_a_terminal(broker: Any) -> None:
    broker.submit(
        ["sh", "-c", "tty >/dev/null && read line && stty size; echo got $line"],
        shell={"options": {"pty": 1}},
    )
    await broker.until_event("shell.init")
    topic = f"{os.getuid()}-shell-4242.terminus.0"
    seen: list[dict[str, Any]] = []
    request = {"type": "attach", "mode": "rw", "winsize": {"rows": 30, "cols": 90}}
    async with asyncio.timeout(60):
        async with broker.handle.stream(topic, request, cancel=None) as stream:
            async for item in stream:
                seen.append(item)
                if item["type"] == "attach":
                    await broker.handle.rpc(topic, {"type": "data", "data": "abc\n"})
    text = "".join(item.get("data", "") for item in seen)
    assert "30 90" in text
    assert "got abc" in text
    assert seen[-1] == {"type": "exit", "message": "session exiting", "status": 0}


async def test_simulated_jobs_have_no_processes(broker: Any) -> None:
    assert (
        await broker.run(["nosuch"], exec={"test": {"run_duration": "0.01s", "wait_status": 256}})
        == 256
    )
    assert broker.shells.host.pid == 0
    assert broker.names("exec.eventlog") == ["init", "starting", "complete", "done"]


async def test_of_many_short_jobs_each_is_written_once(broker: Any) -> None:
    for index in range(60):
        assert (
            await broker.run(["x"], jobid=1000 + index, exec={"test": {"run_duration": "0s"}}) == 0
        )
        broker.said.clear()
    primary = broker.kvs.spaces["primary"]
    assert primary["job.0000.0000.0000.0423.guest.exec.eventlog"].count("\n") == 4
    assert broker.kvs.commits < 60 + 25
    assert not any(name.startswith("job-") for name in broker.kvs.spaces)


async def test_a_simulated_job_can_be_cancelled(broker: Any) -> None:
    broker.submit(["x"], exec={"test": {"run_duration": "100s"}})
    await broker.until_event("starting")
    await broker.handle.publish("job-exception", {"id": 4242, "type": "cancel", "severity": 0})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 15}


@pytest.mark.parametrize(
    "resources", [{"execution": {"R_lite": []}}, {}, {"execution": {"R_lite": [{"rank": "x"}]}}]
)
async def test_a_malformed_r_is_refused(broker: Any, resources: dict[str, Any]) -> None:
    request = {"id": 1, "userid": 0, "jobspec": {}, "R": resources}
    with pytest.raises(OSError, match=r"R has no ranks|malformed R"):
        await answers(broker, request)


async def test_a_job_of_another_user_is_never_run_as_the_owner(broker: Any) -> None:
    execution = {"R_lite": [{"rank": "0", "children": {"core": "0"}}]}
    request = {
        "id": 1,
        "userid": os.getuid() + 1,
        "jobspec": {},
        "R": {"version": 1, "execution": execution},
    }
    with pytest.raises(PermissionError, match="cannot be run by an instance of user"):
        await answers(broker, request)
    assert broker.shells.links == {}


OWN: list[dict[str, Any]] = [
    {"shell": {"options": {"linger": 1}}},
    {"shell": {"options": {"rlimit": {"nofile": 90}}}},
    {"ntasks": 5},
]


async def test_jobs_that_bring_something_have_a_shell_process_of_their_own(broker: Any) -> None:
    shells = []
    for index, how in enumerate(OWN):
        assert await broker.run(["sh", "-c", "echo $PPID"], jobid=7000 + index, **how) == 0
        shells.append(int(broker.output(jobid=7000 + index).split()[0]))
        broker.said.clear()
    assert len(set(shells)) == len(OWN)
    host = psutil.Process(broker.shells.host.pid)
    psutil.wait_procs(host.children(), timeout=60)
    assert host.pid not in shells
    assert host.children() == []


async def test_many_jobs_at_once(broker: Any) -> None:
    count = 400
    for index in range(count):
        broker.submit(["true"], jobid=20_000 + index)
    async with asyncio.timeout(60):
        while sum(item.get("type") == "release" for item in broker.said) < count:
            await asyncio.sleep(0.02)
    assert [item for item in broker.said if item.get("type") == "exception"] == []
    assert {item["data"]["status"] for item in broker.said if item["type"] == "finish"} == {0}


async def test_a_killed_host_is_replaced(broker: Any) -> None:
    assert await broker.run(["true"]) == 0
    first = broker.shells.host.pid
    psutil.Process(first).kill()
    broker.said.clear()
    async with asyncio.timeout(60):
        while broker.shells.host.running:
            await asyncio.sleep(0.005)
    assert await broker.run(["true"], jobid=4243) == 0
    assert broker.shells.host.pid != first


async def test_tasks_stop_in_exec_for_a_debugger(broker: Any) -> None:
    broker.submit(["echo", "on"], shell={"options": {"stop-tasks-in-exec": 1}})
    await broker.until_event("shell.start")

    def tasks() -> list[psutil.Process]:
        return [process for process in descendants() if status(process) == psutil.STATUS_STOPPED]

    async with asyncio.timeout(60):
        while not tasks():
            await asyncio.sleep(0.005)
    assert broker.output() == ""
    assert not broker.done.is_set()
    await broker.handle.publish("shell-4242.kill", {"signum": 18})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.output() == "on\n"


async def test_a_job_whose_exception_cannot_be_published_is_ended(broker: Any) -> None:
    broker.submit(["sleep", "100"])
    await broker.until_event("shell.start")
    await broker.handle.rpc("job-exec.abort", {"id": 4242})
    await asyncio.wait_for(broker.done.wait(), 60)
    assert broker.said[-2]["data"] == {"status": 143 << 8}
