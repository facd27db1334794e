"""What reaches a terminal: nothing of a user's that it would obey, and no more than changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flux import Flux
from flux.job import JobspecV1, cancel, submit
from flux.testing.instance import Instance, running_instance
from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUX = str(Path(sys.executable).with_name("flux"))
HOSTILE = "h\x9b31m\x9d0;gotcha\x9c\u202eevil\u2066\x1b]0;title\x07\x1b[2J\x07x"
"""CSI and OSC in 8 and in 7 bits, overrides of the direction, a title, a bell."""
OBEYED = re.compile("[\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey, as it arrives; ESC is judged by what follows it."""


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


class Terminal:
    """A pseudo-terminal with a dashboard in it; ``written`` is all that it was sent."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.written = b""

    def read(self) -> bytes:
        """Return what comes within a tenth of a second."""
        if not select.select([self.descriptor], [], [], 0.1)[0]:
            return b""
        found = os.read(self.descriptor, 1 << 16)
        self.written += found
        return found

    def until(self, text: str, since: int = 0) -> None:
        """Read until ``text`` has come."""
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.written[since:]:
            assert time.monotonic() < deadline, self.written[-3000:]
            self.read()

    def press(self, keys: str, text: str) -> None:
        """Press keys and wait for what they lead to."""
        since = len(self.written)
        os.write(self.descriptor, keys.encode())
        self.until(text, since)


@contextlib.contextmanager
def dashboard(
    instance: Instance, size: tuple[int, int], *arguments: str, **environment: str
) -> Iterator[Terminal]:
    """``flux top`` on a terminal of ``size`` columns and rows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    settings = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
    process = subprocess.Popen(
        [FLUX, "top", *arguments],
        env={**instance.environment, **settings, **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        with ending(process):
            yield Terminal(ours)
    finally:
        os.close(ours)


def run_job(instance: Instance, name: str, *command: str) -> int:
    """Submit a job of that name."""
    handle = Flux(instance.uri)
    jobspec = JobspecV1.from_command(list(command))
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    jobspec.setattr("system.job.name", name)
    try:
        return int(submit(handle, jobspec))
    finally:
        handle.close()


def test_it_ends_with_a_terminal_that_goes_without_a_signal(instance: Instance) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [FLUX, "top"],
        env={**instance.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # so that it is not the controlling terminal of anybody
    )
    os.close(theirs)
    with ending(process):
        terminal = Terminal(ours)
        terminal.until("flux top")
        os.close(ours)
        assert process.wait(PATIENCE) == 128 + signal.SIGHUP


def test_nothing_that_users_wrote_is_obeyed(instance: Instance) -> None:
    escaped = "".join(f"\\{byte:03o}" for byte in HOSTILE.encode())
    jobid = run_job(
        instance, HOSTILE, "sh", "-c", f"printf 'out {escaped}\\nlast line\\n'; sleep inf"
    )
    handle = Flux(instance.uri)
    handle.log(3, f"dmesg {HOSTILE}")
    instance.run("queue", "stop", f"why {HOSTILE}")
    memo = {"id": jobid, "memo": {"note": HOSTILE, HOSTILE: 1}}
    handle.rpc("job-manager.memo", memo).get()
    other = run_job(instance, f"other{HOSTILE}", "true")
    try:
        with dashboard(instance, (160, 50)) as top:
            top.until("h\\u009b31m")
            top.until("the queue is stopped")
            top.press("\r", "last line")
            top.press("\t", "memo")
            top.press("q", "JOBID")
            top.press("d", "dmesg")
            top.press("q", "JOBID")
            top.press("a", "marked")
            top.press("c", "Cancel 2 jobs?")
            top.press("\x1b", "JOBID")
            cancel(handle, jobid, f"note {HOSTILE}")
            cancel(handle, other, f"note {HOSTILE}")
            top.until("canceled: note")
    finally:
        instance.run("queue", "start")
        handle.close()
    shown = top.written.decode("utf-8", "replace")
    assert OBEYED.findall(shown) == []
    assert "\x1b[2J" not in shown.replace("\x1b[2J", "", 1)
    assert "\x1b]0;title" not in shown
    assert "gotcha" in shown


def test_nothing_of_users_is_obeyed_in_any_view(instance: Instance) -> None:
    """Values and names of keys, reasons of drained nodes, annotations, events, variables, cron."""
    jobid = run_job(instance, "hostile-job", "sh", "-c", "sleep inf", HOSTILE)
    handle = Flux(instance.uri)
    instance.run("kvs", "put", f"aaa=text {HOSTILE}")
    instance.run("kvs", "put", f"aab{HOSTILE.replace('.', '')}=1")
    handle.rpc("job-manager.memo", {"id": jobid, "memo": {"x": HOSTILE, HOSTILE: {"y": 1}}}).get()
    instance.run("cron", "interval", "--name", f"cron {HOSTILE}", "10d", "true", HOSTILE)
    instance.run("resource", "drain", "0", f"reason {HOSTILE}")
    try:
        with dashboard(instance, (160, 50)) as top:
            top.until("hostile-job")
            for key, shown in (
                ("\x1bOR", "reason h"),  # nodes
                ("\x1bOS", "SCHEDULING"),
                ("\x1b[15~", "sched-simple"),
                ("\x1b[17~", "cron h"),
                ("\x1b[18~", "aab"),  # keys
                ("\x1b[19~", "EVENT"),
                ("\x1b[21~", "Queue depth"),
                ("I", "flux top"),
            ):
                top.press(key, shown)
                if shown == "aab":
                    top.press("\r", "text h")
                top.press("\x1bOQ", "hostile-job")
            top.press("\r", "Output")
            for tab in "2345678":
                os.write(top.descriptor, tab.encode())
                for _ in range(4):
                    top.read()
    finally:
        instance.run("resource", "undrain", "0")
        cancel(handle, jobid)
        handle.close()
    shown_at_all = top.written.decode("utf-8", "replace")
    assert OBEYED.findall(shown_at_all) == []
    assert "\x1b[2J" not in shown_at_all.replace("\x1b[2J", "", 1)
    assert "\x1b]0;title" not in shown_at_all
    assert shown_at_all.count("gotcha") > 3


def test_lines_have_nothing_to_obey_either(instance: Instance) -> None:
    run_job(instance, HOSTILE, "true")
    done = subprocess.Popen(
        [FLUX, "top", "--linear"], env=instance.environment, stdout=subprocess.PIPE, text=True
    )
    with ending(done) as top:
        assert top.stdout is not None
        read = ""
        while "cores in use" not in read:
            read += top.stdout.readline()
        run_job(instance, HOSTILE, "true")
        while "completed" not in read.partition("cores in use")[2].partition("\n")[2]:
            read += top.stdout.readline()
        top.terminate()
        top.communicate(timeout=PATIENCE)
    assert "h\\u009b31m" in read
    assert OBEYED.findall(read) == []
    assert "\x1b" not in read


def test_clocks_cost_little(instance: Instance) -> None:
    """While only clocks change, a second is a few hundred bytes, not the whole screen."""
    jobid = run_job(instance, "runs", "sleep", "inf")
    waiting = [run_job(instance, f"waits{number}", "sleep", "inf") for number in range(40)]
    with dashboard(instance, (200, 60)) as top:
        top.until("waits")
        top.press("Z", "waits7")  # a line for each of them
        top.until("insufficient resources")
        calm, rounds = 0, 0
        while calm < 5:
            rounds += 1
            assert rounds < 60, "it never became calm"
            before, end = len(top.written), time.monotonic() + 1.0
            while time.monotonic() < end:
                top.read()
            calm = calm + 1 if 0 < len(top.written) - before <= 2048 else 0
    handle = Flux(instance.uri)
    for one in [*waiting, jobid]:
        cancel(handle, one)
    handle.close()


def test_a_terminal_that_cannot_be_drawn_on_is_refused(instance: Instance) -> None:
    with dashboard(instance, (80, 24), TERM="dumb") as top:
        top.until("use --linear to print changes as lines")
    assert b"\x1b" not in top.written


def test_the_locale_decides_on_the_signs(instance: Instance) -> None:
    with dashboard(instance, (80, 24), LANG="C", LC_ALL="POSIX") as top:
        top.until("JOBID")
        top.until("Quit")
    assert top.written.isascii()
