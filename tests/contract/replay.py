"""Replay the recorded commands against a live instance of four brokers and compare what they print."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.contract.normalise import RECORDED, Place, comparable, normalised
from tests.contract.recordings import Recording

BROKERS = 4
BOOT_TIMEOUT = 60.0  # seconds until the instance must answer
COMMAND_TIMEOUT = 15.0  # seconds that one recorded command may take; the slowest took 4 when recorded
BIN = pathlib.Path(sys.executable).parent
TIMED_OUT = -1000  # exit code of a command that did not end


@dataclass(frozen=True)
class Outcome:
    """What a replayed command did."""

    recording: Recording
    exit: int
    stdout: str
    stderr: str
    seconds: float
    place: Place

    def difference(self) -> str | None:
        """The first difference from the recording in a line or two, or None when it matches."""
        if self.exit == TIMED_OUT:
            return f"did not end within {COMMAND_TIMEOUT:.0f} s"
        for name, mine, theirs in (
            ("stdout", self.stdout, self.recording.stdout),
            ("stderr", self.stderr, self.recording.stderr),
        ):
            ours = comparable(normalised(mine, self.place, self.recording), self.recording)
            recorded = comparable(normalised(theirs, RECORDED, self.recording), self.recording)
            if ours != recorded:
                return _first_difference(name, ours, recorded)
        if self.exit != self.recording.exit:
            return f"exit code {self.exit}, recorded {self.recording.exit}"
        return None


def _first_difference(name: str, ours: list[str], recorded: list[str]) -> str:
    for number in range(max(len(ours), len(recorded))):
        mine = ours[number] if number < len(ours) else None
        theirs = recorded[number] if number < len(recorded) else None
        if mine != theirs:
            return f"{name} line {number + 1}: {_shown(mine)}, recorded {_shown(theirs)}"
    return f"{name} differs"


def _shown(line: str | None, limit: int = 300) -> str:
    if line is None:
        return "nothing"
    return repr(line if len(line) <= limit else line[:limit] + "…")


class Instance:
    """A running instance of `flux start` and the environment that commands need to reach it."""

    def __init__(self, process: subprocess.Popen[bytes], base: pathlib.Path, fifo: pathlib.Path) -> None:
        self.process = process
        self._base = base
        self._fifo = fifo
        self.home = base / "home"
        self.home.mkdir()
        self.environment: dict[str, str] = {}
        self.stopped_with: int | None = None

    def adopt(self, environment: bytes) -> None:
        """Take over the environment of the initial program, as `env -0` printed it."""
        pairs = (entry.partition("=") for entry in os.fsdecode(environment).split("\0") if entry)
        found = {name: value for name, _, value in pairs}
        kept = {name: value for name, value in found.items() if name.startswith("FLUX_") or name in ("USER", "LOGNAME")}
        self.environment = {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin:/sbin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "SHELL": "/bin/bash",
            "LOGNAME": found.get("LOGNAME", "root"),
            "USER": found.get("USER", "root"),
            "PWD": str(self.home),
            "TMPDIR": str(self._base),
        }

    @property
    def place(self) -> Place:
        uri = self.environment["FLUX_URI"]
        rundir = str(pathlib.Path(uri.removeprefix("local://")).parent)
        return Place(str(self.home), uri, rundir, socket.gethostname(), self.environment["PATH"].removesuffix(":/sbin"))

    def run(self, recording: Recording, timeout: float = COMMAND_TIMEOUT) -> Outcome:
        """Run the command of `recording` in this instance's home directory, in a process group of its own."""
        started = time.monotonic()
        with subprocess.Popen(
            recording.command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
                code = process.returncode
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                stdout, stderr = process.communicate()
                code = TIMED_OUT
        text = (stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))
        return Outcome(recording, code, *text, time.monotonic() - started, self.place)

    def stop(self, timeout: float = 30.0) -> int:
        """End the initial program; returns the exit code of `flux start`, killing it after `timeout` seconds."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
            os.write(descriptor, b"end\n")
            os.close(descriptor)
        try:
            self.stopped_with = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.stopped_with = self.process.wait()
        return self.stopped_with


@contextlib.contextmanager
def instance(size: int = BROKERS, *options: str) -> Iterator[Instance]:
    """Boot `size` brokers whose initial program waits, and take everything down at the end.

    Raises:
        RuntimeError: the instance did not come up; carries what it wrote on stderr.
    """
    base = pathlib.Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))
    fifo, ready, log = base / "end", base / "environment", base / "log"
    os.mkfifo(fifo)
    script = f"env -0 >{ready}.new && mv {ready}.new {ready} && read line <{fifo}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    environment |= {"TMPDIR": str(base), "LANG": "C.UTF-8", "PATH": f"{BIN}:{environment.get('PATH', os.defpath)}"}
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [BIN / "flux", "start", f"-s{size}", *options, "sh", "-c", script],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running = Instance(process, base, fifo)
        try:
            _await(ready, process, log)
            running.adopt(ready.read_bytes())
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _await(ready: pathlib.Path, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"flux start did not come up (exit code {process.poll()}):\n{log.read_text()}")
        time.sleep(0.02)


def replay(recordings: Sequence[Recording], size: int = BROKERS) -> Iterator[Outcome]:
    """Replay `recordings` in their order, each recorded instance against a fresh one of ours."""
    for number in sorted({recording.instance for recording in recordings}):
        with instance(size) as running:
            for recording in recordings:
                if recording.instance == number:
                    yield running.run(recording)
