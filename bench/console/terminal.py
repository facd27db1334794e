"""``flux top`` on a pseudo-terminal of 160x50, over a running instance: how soon its first frame is
there, what it takes while nothing happens, how soon an event is on the screen, and how it bears 500
events a second.

``python -m bench.console.terminal --jobs N`` measures what so many jobs add to the first frame, and
how soon all of them are counted. With ``--soak MINUTES`` it follows an instance whose jobs end a
hundred times as fast as people submit them, and shows the memory of the dashboard each minute.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING, Final

import psutil

from bench.measure import Figure, Series, Target, show
from flux.core.handle import Flux
from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE: Final = (160, 50)
JOBS: Final = 1000
PATIENCE: Final = 120.0
SUBMITTING: Final = 1800.0
STARTS: Final = 7
IDLE_SECONDS: Final = 20.0
PROBES: Final = 30
EVENTS: Final = 500
BUSY_SECONDS: Final = 60.0
EVENTS_OF_A_JOB: Final = 9
"""Submit, validate, depend, priority, alloc, start, finish, release and clean: what a simulated job
is made of, about.
"""
SIMULATED: Final = "--setattr=system.exec.test.run_duration=0.001s"
CURSOR: Final = "▌".encode()


class TopProcess:
    """A dashboard on a pseudo-terminal; ``written`` is what it was sent since it was last
    cleared.
    """

    def __init__(self, instance: Instance, *arguments: str) -> None:
        self.descriptor, theirs = pty.openpty()
        window = struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, window)
        settings = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [instance.flux, "top", *arguments],
            env={**instance.environment, **settings},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.written = b""
        self.taken = 0

    def read(self, seconds: float) -> bool:
        """Take what comes within some seconds; tells whether anything came."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        found = os.read(self.descriptor, 1 << 16)
        self.written += found
        self.taken += len(found)
        return True

    def until(self, text: bytes) -> float:
        """Read until a text has come; returns the moment. Raises RuntimeError if it never does."""
        deadline = time.perf_counter() + PATIENCE
        while text not in self.written:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"{text!r} never came to the terminal")
            self.read(0.5)
        return time.perf_counter()

    def rest(self, seconds: float) -> None:
        """Read for some seconds."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)
        self.written = b""

    def press(self, key: str, answer: bytes) -> float:
        """Press a key; returns the milliseconds until its answer has come."""
        self.written = b""
        started = time.perf_counter()
        os.write(self.descriptor, key.encode())
        return 1000 * (self.until(answer) - started)

    def cpu(self) -> float:
        """Seconds of a processor that it has taken."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def memory(self) -> float:
        """MiB that it takes."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        with contextlib.suppress(OSError):
            while self.process.poll() is None:
                self.read(0.1)
        self.process.wait(timeout=30)
        os.close(self.descriptor)


@contextlib.contextmanager
def dashboard(instance: Instance, *arguments: str) -> Iterator[TopProcess]:
    """Run a dashboard for a while."""
    top = TopProcess(instance, *arguments)
    try:
        yield top
    finally:
        top.close()


@contextlib.contextmanager
def instance_with_jobs(jobs: int = JOBS) -> Iterator[Instance]:
    """An instance with jobs, six of ten ended and the others held."""
    with running_instance(1) as instance:
        lines = "".join(f"{number}\n" for number in range(jobs * 6 // 10))
        words = ("mini", "bulksubmit", "--quiet", "--wait", SIMULATED, "true", "{}")
        _checked(instance.run(*words, stdin=lines, timeout=SUBMITTING))
        held = ("mini", "submit", "--quiet", "--urgency=hold", f"--cc=1-{jobs * 4 // 10}")
        _checked(instance.run(*held, "sleep", "1", timeout=SUBMITTING))
        yield instance


def _checked(run: subprocess.CompletedProcess[str]) -> None:
    if run.returncode:
        raise RuntimeError(f"the jobs could not be submitted: {run.stderr.strip()[-200:]}")


def _first_frame(instance: Instance) -> float:
    with dashboard(instance) as top:
        return top.until("×400".encode()) - top.started


def _first_frame_and_all(instance: Instance, jobs: int) -> tuple[float, float]:
    """Return the seconds to the first frame with jobs, and until all of them are counted."""
    with dashboard(instance) as top:
        first = top.until("×".encode()) - top.started
        top.until(f"×{jobs * 4 // 10:,}".encode())
        return first, top.until(f"×{jobs * 6 // 10:,}".encode()) - top.started


def _idle(instance: Instance) -> tuple[float, float]:
    """Return the percent of a processor and the KB a second while nothing happens."""
    with dashboard(instance) as top:
        top.until("×400".encode())
        top.rest(5.0)
        before, taken = top.cpu(), top.taken
        top.rest(IDLE_SECONDS)
        used = 100 * (top.cpu() - before) / IDLE_SECONDS
        return used, (top.taken - taken) / 1000 / IDLE_SECONDS


def _event_to_screen(instance: Instance) -> list[float]:
    """Return the milliseconds from the submission of jobs to their names on the screen."""
    handle = Flux(instance.uri)
    jobspec = a_job()
    times = []
    with dashboard(instance, "--filter", "name:probe*") as top:
        top.until(b"no job matches")
        top.press("Z", b"every job has its line")
        for number in range(PROBES):
            top.rest(0.2)
            name = f"probe{number:03d}"
            jobspec.setattr("system.job.name", name)
            started = time.perf_counter()
            submit(handle, jobspec, urgency=0)
            times.append(1000 * (top.until(name.encode()) - started))
    handle.close()
    return times


class Submitter(threading.Thread):
    """Submits simulated jobs of different names, so many a second that there are as many events as
    are asked for, until it is told to stop.
    """

    def __init__(self, instance: Instance, events: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.submitted = 0
        self._uri, self._pause = instance.uri, EVENTS_OF_A_JOB / events

    def run(self) -> None:
        """Submit, at an even pace."""
        handle = Flux(self._uri)
        jobspec = a_job()
        jobspec.setattr("system.exec.test.run_duration", "0.001s")
        started = time.monotonic()
        while not self.over.is_set():
            jobspec.setattr("system.job.name", f"busy{self.submitted}")
            submit(handle, jobspec)
            self.submitted += 1
            self.over.wait(max(0.0, started + self.submitted * self._pause - time.monotonic()))
        handle.close()

    def stop(self) -> None:
        """End it."""
        self.over.set()
        self.join(timeout=30)


def a_job() -> JobspecV1:
    """Return a job that does nothing."""
    jobspec = JobspecV1.from_command(["true"])
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    return jobspec


def _busy(instance: Instance) -> tuple[list[float], float]:
    """Return the milliseconds that keys take while 500 events come each second for a minute, and
    those from the submission of one more job to the screen.
    """
    with dashboard(instance) as top:
        top.until("×400".encode())
        top.press("Z", b"every job has its line")
        work = Submitter(instance, EVENTS)
        work.start()
        times = []
        end = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < end:
            top.rest(1.0)
            times.append(top.press("j", CURSOR))
        handle = Flux(instance.uri)
        jobspec = a_job()
        jobspec.setattr("system.job.name", "final")
        submit(handle, jobspec, urgency=0)
        handle.close()
        last = top.press("/name:final\r", b"1 of ")
        work.stop()
        return times, last


def figures() -> list[Figure]:
    """Seconds to the first frame, the cost of idling, milliseconds to the screen and to a key."""
    label = f"flux top, {JOBS:,} jobs"
    with instance_with_jobs() as instance:
        starts = [_first_frame(instance) for _ in range(STARTS)]
        idle = [_idle(instance) for _ in range(3)]
        probes = _event_to_screen(instance)
        keys, last = _busy(instance)
    at_95 = statistics.quantiles(probes, n=20)[-1]
    slowest = statistics.quantiles(keys, n=20)[-1]
    return [
        _figure(f"{label}: first frame", "s", Target(bound=0.35), starts),
        _figure(f"{label}: idle", "% of a core", Target(bound=1.0), [cpu for cpu, _ in idle]),
        _figure(
            f"{label}: idle, to the terminal", "KB/s", Target(bound=2.0), [kb for _, kb in idle]
        ),
        _figure(f"{label}: submission to screen", "ms", Target(), probes),
        _figure(f"{label}: submission to screen, p95", "ms", Target(bound=150), [at_95]),
        _figure(f"{label}: a key at {EVENTS} events/s", "ms", Target(bound=60), keys),
        _figure(f"{label}: a key at {EVENTS} events/s, p95", "ms", Target(), [slowest]),
        _figure(f"{label}: a new job after a minute of it", "ms", Target(), [last]),
    ]


def figures_of_many(jobs: int) -> list[Figure]:
    """Seconds to the first frame with a few and with many jobs, by turns, and what the many add."""
    few, many, whole = [], [], []
    with instance_with_jobs() as small, instance_with_jobs(jobs) as large:
        for _ in range(STARTS):
            few.append(_first_frame(small))
            first, every = _first_frame_and_all(large, jobs)
            many.append(first)
            whole.append(every)
    label = f"flux top, {jobs:,} jobs"
    added = statistics.median(many) - statistics.median(few)
    return [
        _figure(f"flux top, {JOBS:,} jobs: first frame", "s", Target(), few),
        _figure(f"{label}: first frame", "s", Target(), many),
        _figure(f"{label}: added to the first frame", "s", Target(bound=0.25), [added]),
        _figure(f"{label}: all counted", "s", Target(), whole),
    ]


def _figure(name: str, unit: str, target: Target, samples: list[float]) -> Figure:
    return Figure(name, unit, target, {"ours": Series(tuple(samples))})


def soak(minutes: float, say: Callable[[str], object] = print) -> None:
    """Show what a dashboard takes, each minute, while jobs come and go and are purged."""
    with instance_with_jobs() as instance, dashboard(instance) as top:
        top.until("×400".encode())
        work = Submitter(instance, EVENTS)
        work.start()
        for minute in range(1, int(minutes) + 1):
            before, end = top.cpu(), time.monotonic() + 60
            while time.monotonic() < end:
                top.rest(1.0)
            used = 100 * (top.cpu() - before) / 60
            instance.run("job", "purge", "--force", "--num-limit=1000")
            jobs = f"{work.submitted:,} jobs"
            say(f"minute {minute}: {jobs}, {top.memory():.0f} MiB, {used:.0f} % of a core")
        work.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--jobs", type=int, metavar="N")
    chosen = parser.parse_args()
    if chosen.soak:
        soak(chosen.soak)
    elif chosen.jobs:
        show(figures_of_many(chosen.jobs))
    else:
        show(figures())
