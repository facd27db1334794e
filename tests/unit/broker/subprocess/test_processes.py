"""Starting processes and following them on the event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from broker.subprocess.descendants import kill_descendants
from broker.subprocess.launch import Command, find_program, launch, signal_group
from broker.subprocess.process import ChildProcess
from flux.waitstatus import exit_code_of
from tests.system.watching import sleepers

if TYPE_CHECKING:
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"]}


def run(command: Command) -> int:
    return os.waitpid(launch(command), 0)[1]


def output_of(argv: list[str], **how: Any) -> bytes:
    read, write = os.pipe()
    pid = launch(Command(argv, ENV, fds=[(write, 1)], **how))
    os.close(write)
    with open(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return data


def test_exit_status() -> None:
    assert exit_code_of(run(Command(["sh", "-c", "exit 3"], ENV))) == 3
    assert exit_code_of(run(Command(["sh", "-c", "kill -9 $$"], ENV))) == 137


@pytest.mark.parametrize("hook", [None, lambda: None])
def test_directory_and_descriptors(hook: Any, tmp_path: Path) -> None:
    here = os.getcwd()
    assert output_of(["pwd"], cwd=str(tmp_path), before_exec=hook) == str(tmp_path).encode() + b"\n"
    assert output_of(["pwd"], cwd="/nosuch", before_exec=hook) == b"/tmp\n"
    assert os.getcwd() == here


@pytest.mark.parametrize("hook", [None, lambda: None])
@pytest.mark.parametrize(
    ("name", "error"), [("nosuch", FileNotFoundError), ("/etc/passwd", PermissionError)]
)
def test_what_cannot_be_executed(hook: Any, name: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        launch(Command([name], ENV, before_exec=hook))


def test_a_script_without_interpreter_line(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo $1\n")
    script.chmod(0o755)
    assert output_of([str(script), "x"]) == b"x\n"


def test_programs_are_searched_in_the_given_path(tmp_path: Path) -> None:
    (tmp_path / "prog").write_text("")
    with pytest.raises(PermissionError):
        find_program("prog", {"PATH": str(tmp_path)})
    (tmp_path / "prog").chmod(0o755)
    assert find_program("prog", {"PATH": f"/nosuch:{tmp_path}"}) == str(tmp_path / "prog")
    assert find_program("./x", {}) == "./x"


@pytest.mark.parametrize("hook", [None, lambda: None])
def test_a_process_leads_its_group_and_gets_default_signals(hook: Any) -> None:
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        pid = launch(Command(["sleep", "100"], ENV, before_exec=hook))
        assert os.getpgid(pid) == pid
        assert signal_group(pid, signal.SIGTERM)
        assert os.waitpid(pid, 0)[1] == signal.SIGTERM
        assert not signal_group(pid, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_a_process_is_killed_with_all_it_started() -> None:
    pid = launch(
        Command(["sh", "-c", "sleep 100 & setsid sleep 100 & sleep 100"], ENV, new_session=True)
    )
    assert kill_descendants(pid) >= 1
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def test_what_is_being_started_is_killed_too() -> None:
    # A process that starts others without end, each of them in a session of its own.
    mark = str(7000 + os.getpid() % 1000) + ".5"
    script = f"while :; do setsid sleep {mark} & done"
    pid = launch(Command(["sh", "-c", script], ENV, new_session=True))
    deadline = time.monotonic() + 60
    while len(sleepers(mark)) < 20:
        assert time.monotonic() < deadline
    kill_descendants(pid)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    psutil.wait_procs(sleepers(mark), 10)
    assert sleepers(mark) == []


class Recorder:
    """Runs a Process and collects what it reports."""

    def __init__(self) -> None:
        self.data = {"stdout": b"", "stderr": b""}
        self.eofs: list[str] = []
        self.status: int | None = None
        self.complete = asyncio.Event()
        self.process = ChildProcess(self._output, self._exit, self.complete.set)

    def _output(self, stream: str, data: bytes, eof: bool) -> None:
        self.data[stream] += data
        if eof:
            self.eofs.append(stream)

    def _exit(self, status: int) -> None:
        self.status = status

    async def wait(self) -> None:
        await asyncio.wait_for(self.complete.wait(), 60)


async def test_output_input_and_exit() -> None:
    recorder = Recorder()
    recorder.process.start(["sh", "-c", "cat; echo err >&2; printf end; exit 5"], ENV, None)
    big = b"line\n" * 200_000
    recorder.process.write(big)
    recorder.process.write(b"", eof=True)
    await recorder.wait()
    assert recorder.data == {"stdout": big + b"end", "stderr": b"err\n"}
    assert sorted(recorder.eofs) == ["stderr", "stdout"]
    assert recorder.status == 5 << 8
    assert not recorder.process.signal(15)


async def test_signals_and_input_nobody_reads() -> None:
    recorder = Recorder()
    recorder.process.start(["sleep", "100"], ENV, None)
    for _ in range(16):
        recorder.process.write(b"x" * 1_000_000)
    with pytest.raises(OSError, match="does not read"):
        recorder.process.write(b"x" * 1_000_000)
    assert recorder.process.signal(signal.SIGTERM)
    await recorder.wait()
    assert recorder.status == signal.SIGTERM


async def test_a_program_that_does_not_exist_leaks_nothing() -> None:
    before = len(os.listdir("/proc/self/fd"))
    recorder = Recorder()
    with pytest.raises(FileNotFoundError):
        recorder.process.start(["nosuch"], ENV, None)
    assert len(os.listdir("/proc/self/fd")) == before
    assert recorder.status is None
