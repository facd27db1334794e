"""Whether ``flux seg`` keeps up: job events a second from submission to the reader, how far behind
it is at the end, its processor time and memory; then the same of the past, and with a reader that
does not read for a while.

python -m bench.seg [jobs]

The jobs are simulated: the instance does all but start processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import psutil

import flux.job
from flux.core.handle import Flux
from flux.job import JobspecV1
from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS: Final = 3000
WANTED: Final = 500
"""Job events a second."""
_WINDOW: Final = 500


def _submit(uri: str, count: int) -> None:
    spec = JobspecV1.from_command(["true"])
    spec.setattr("system.exec.test.run_duration", "0.001s")
    with Flux(uri) as handle:
        for start in range(0, count, _WINDOW):
            size = min(_WINDOW, count - start)
            futures = [flux.job.submit_async(handle, spec) for _ in range(size)]
            for future in futures:
                future.get_id()


class _Measured:
    """A ``flux seg`` whose lines are counted; ``paused`` holds its reader back."""

    def __init__(self, instance: Instance, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [default_flux(), "seg", *arguments],
            env=instance.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.count = 0
        self.ends = 0
        self.reading = threading.Event()
        self.reading.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        stdout = self._process.stdout
        if stdout is None:
            return
        rest = b""
        while self.reading.wait() and (data := os.read(stdout.fileno(), 1 << 16)):
            *lines, rest = (rest + data).split(b"\n")
            self.count += len(lines)
            self.ends += sum(line.split(b";")[3] in (b"4", b"8") for line in lines)

    def usage(self) -> tuple[float, float]:
        """Return the processor time in seconds and the memory in MiB so far."""
        process = psutil.Process(self._process.pid)
        times = process.cpu_times()
        return times.user + times.system, process.memory_info().rss / 2**20

    def end(self) -> None:
        """End it and its reader."""
        self.reading.set()
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _until(condition: Callable[[], bool], seconds: float = 600.0) -> float:
    """Wait for something; returns the seconds it took. Raises TimeoutError."""
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > seconds:
            raise TimeoutError("flux seg does not keep up")
        time.sleep(0.005)
    return time.perf_counter() - started


def _report(what: str, events: int, seconds: float, measured: _Measured, before: float) -> None:
    used, memory = measured.usage()
    cpu = (used - before) / events * 1e6
    print(
        f"{what}: {events} events in {seconds:.1f} s, {events / seconds:.0f} a second"
        f" (wanted: {WANTED}); {cpu:.0f} us of processor time each, {memory:.0f} MiB",
        flush=True,
    )


def _live(instance: Instance, jobs: int) -> None:
    measured = _Measured(instance, "-t", "0")
    _submit(instance.uri, 10)
    _until(lambda: measured.ends >= 10)
    used = measured.usage()[0]
    started = time.perf_counter()
    _submit(instance.uri, jobs)
    with Flux(instance.uri) as handle:
        handle.rpc("job-manager.drain").get()
    behind = _until(lambda: measured.ends >= jobs + 10)
    _report("as they happen", 3 * jobs, time.perf_counter() - started, measured, used)
    print(f"  behind by {behind * 1000:.0f} ms at the end")
    measured.end()


def _past(instance: Instance, jobs: int) -> None:
    started = time.perf_counter()
    measured = _Measured(instance, "-t", "0")
    _until(lambda: measured.ends >= jobs + 10)
    _report("the past", 3 * jobs + 30, time.perf_counter() - started, measured, 0.0)
    measured.end()


def _slow(instance: Instance, jobs: int) -> None:
    measured = _Measured(instance, "-t", "0")
    _until(lambda: measured.ends >= jobs + 10)
    measured.reading.clear()
    used = measured.usage()[0]
    _submit(instance.uri, jobs)
    with Flux(instance.uri) as handle:
        handle.rpc("job-manager.drain").get()
    peak = measured.usage()[1]
    measured.reading.set()
    seconds = _until(lambda: measured.ends >= 2 * jobs + 10)
    cpu = (measured.usage()[0] - used) / (3 * jobs) * 1e6
    print(
        f"a reader that pauses for {3 * jobs} events: {peak:.0f} MiB at the end of the pause, all"
        f" taken {seconds:.1f} s after it; {cpu:.0f} us of processor time each"
    )
    measured.end()


def main() -> None:
    """Measure and print."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with running_instance() as instance:
        _live(instance, jobs)
        _past(instance, jobs)
        _slow(instance, jobs)


if __name__ == "__main__":
    main()
