"""Many jobs and many brokers: what a job costs when thousands are queued, run and listed, the start
over a long history, a job on 64 nodes, and what a flood of submissions does to the jobs that run.

python -m bench.large                   1,000 and 3,000 jobs, as `make bench` does
python -m bench.large --long            1,000, 10,000, 30,000 and 100,000 jobs
python -m bench.large --sizes 1000,100000 --only jobs,restart,wide,flood

Processor time is that of the broker of rank 0, which does all of the work on jobs.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil

from bench.measure import Figure, Series, Target, in_instance, show, timed
from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SHORT: Final = (1000, 3000)
LONG: Final = (1000, 10_000, 30_000, 100_000)
NODES: Final = 64
FLOOD: Final = 10_000
SHORT_FLOOD: Final = 3000
PATIENCE: Final = 3600.0
SIMULATED: Final = "--setattr=system.exec.test.run_duration=0.0001s"
PARTS: Final = ("jobs", "restart", "wide", "flood")


class Usage(NamedTuple):
    """What a broker has used so far: seconds of wall and processor time; MiB resident."""

    wall: float
    cpu: float
    memory: float

    @classmethod
    def of(cls, broker: psutil.Process) -> Usage:
        times = broker.cpu_times()
        used = times.user + times.system
        return cls(time.perf_counter(), used, broker.memory_info().rss / 2**20)


def _broker(instance: Instance) -> psutil.Process:
    return psutil.Process(int(_checked(instance, "getattr", "broker.pid")))


def _checked(instance: Instance, *arguments: str, stdin: str = "") -> str:
    run = instance.run(*arguments, stdin=stdin, timeout=PATIENCE)
    if run.returncode != 0:
        raise RuntimeError(f"flux {' '.join(arguments)[:60]}: {run.stderr.strip()[-200:]}")
    return run.stdout


def _submit(instance: Instance, count: int, *options: str) -> None:
    lines = "".join(f"{number}\n" for number in range(count))
    words = ("mini", "bulksubmit", "--quiet", *options, "true", "{}")
    _checked(instance, *words, stdin=lines)


def _listing(instance: Instance, *options: str) -> float:
    """Milliseconds of `flux jobs -c 25`, the best of seven."""
    words = ("jobs", "-c", "25", *options)
    return 1000 * min(in_instance(instance, *words) for _ in range(7))


def _figure(name: str, unit: str, samples: Sequence[float], target: Target | None = None) -> Figure:
    return Figure(name, unit, target or Target(), {"ours": Series(tuple(samples))})


def jobs(count: int) -> list[Figure]:
    """Queue `count` simulated jobs while the queue is stopped, list them, let them run, list them
    again.
    """
    with running_instance() as instance:
        broker = _broker(instance)
        _submit(instance, 50, "--wait", SIMULATED)
        _checked(instance, "queue", "stop")
        empty = Usage.of(broker)
        _submit(instance, count, SIMULATED)
        queued = Usage.of(broker)
        pending = _listing(instance)
        before = Usage.of(broker)
        _checked(instance, "queue", "start")
        _checked(instance, "queue", "drain")
        ended = Usage.of(broker)
        inactive = _listing(instance, "-a")
    flat = f"{count} jobs"
    last = Target(250) if count >= LONG[-1] else None
    return [
        _figure(f"{flat}: queued", "jobs/s", [count / (queued.wall - empty.wall)]),
        _figure(
            f"{flat}: processor time to queue one",
            "µs",
            [(queued.cpu - empty.cpu) / count * 1e6],
        ),
        _figure(
            f"{flat}: memory for a queued one",
            "KiB",
            [(queued.memory - empty.memory) / count * 1024],
        ),
        _figure(f"{flat}: flux jobs -c 25, queued", "ms", [pending]),
        _figure(f"{flat}: run", "jobs/s", [count / (ended.wall - before.wall)]),
        _figure(
            f"{flat}: processor time to run one", "µs", [(ended.cpu - before.cpu) / count * 1e6]
        ),
        _figure(f"{flat}: broker memory when all have ended", "MiB", [ended.memory], last),
        _figure(f"{flat}: flux jobs -a -c 25, ended", "ms", [inactive]),
    ]


def restart(count: int) -> list[Figure]:
    """Start over a store with `count` inactive jobs: until the initial program has run, and until
    `flux jobs -a` has answered, when all of the history is read.
    """
    flux = default_flux()
    with tempfile.TemporaryDirectory() as folder:
        store = f"-o,-Scontent.backing-path={pathlib.Path(folder, 'content.sqlite')}"
        with running_instance(1, store) as instance:
            _submit(instance, count, "--wait", SIMULATED)
        samples = [timed([flux, "start", store, "true"]) for _ in range(3)]
        with running_instance(1, store) as instance:
            begun = Usage.of(_broker(instance))
            _checked(instance, "jobs")
            active = Usage.of(_broker(instance))
            _checked(instance, "jobs", "-a", "-c", "25")
            listed = Usage.of(_broker(instance))
    name = f"restart with {count} inactive jobs"
    return [
        _figure(f"{name}, start to end", "s", samples, Target(10)),
        _figure(f"{name}, until active ones are listed", "s", [active.wall - begun.wall]),
        _figure(f"{name}, until all are listed", "s", [listed.wall - begun.wall]),
        _figure(f"{name}, processor time for one", "µs", [listed.cpu / count * 1e6]),
    ]


def wide(size: int) -> list[Figure]:
    """A job of one task on each of `size` brokers."""
    words = ("mini", "run", f"-N{size}", f"-n{size}", "true")
    with running_instance(size) as instance:
        in_instance(instance, *words)
        samples = [in_instance(instance, *words) for _ in range(5)]
    return [_figure(f"job on {size} brokers", "s", samples, Target(1.2))]


@contextmanager
def _ended_jobs(instance: Instance) -> Iterator[Callable[[], int]]:
    """Yield what returns the number of jobs that have ended, counted by an own connection."""
    code = (
        "import sys, flux\n"
        "h = flux.Flux()\n"
        "for line in sys.stdin:\n"
        "    states = h.rpc('job-list.job-stats', {}).get()['job_states']\n"
        "    print(states['inactive'], flush=True)\n"
    )
    process = subprocess.Popen(
        [instance.flux, "python", "-c", code],
        env=instance.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ask, answers = process.stdin, process.stdout

    def count() -> int:
        ask.write("\n")
        ask.flush()
        return int(answers.readline())

    try:
        count()
        yield count
    finally:
        ask.close()
        process.wait(60)
        answers.close()


def _rate(count: Callable[[], int], until: Callable[[], bool]) -> float:
    """Return jobs a second that end while `until` is not true."""
    begun, first = time.perf_counter(), count()
    while not until():
        time.sleep(0.02)
    return (count() - first) / (time.perf_counter() - begun)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def flood(kind: str, options: Sequence[str], queued: int, count: int = FLOOD) -> list[Figure]:
    """The rate at which queued jobs end while `count` held ones pour in, to that before and
    after.
    """
    with running_instance() as instance, _ended_jobs(instance) as ended:
        _submit(instance, 50, "--wait", *options)
        _submit(instance, queued, *options)
        _rate(ended, _after(1.0))
        before = _rate(ended, _after(3.0))
        pouring = threading.Thread(target=_submit, args=(instance, count, "--urgency=hold"))
        begun = time.perf_counter()
        pouring.start()
        during = _rate(ended, lambda: not pouring.is_alive())
        took = time.perf_counter() - begun
        after = _rate(ended, _after(2.0))
        _checked(instance, "queue", "stop")
    name = f"{kind} jobs that end while {count} submissions pour in"
    return [
        _figure(f"{name}, before and after", "jobs/s", [before, after]),
        _figure(f"{name}, meanwhile", "jobs/s", [during]),
        _figure(f"{name}, to before", "", [during / statistics.mean((before, after))]),
        _figure(f"submissions meanwhile ({kind} jobs)", "jobs/s", [count / took]),
    ]


def figures(sizes: Sequence[int] = SHORT, parts: Sequence[str] = PARTS) -> list[Figure]:
    """What is measured of each size, then of many brokers and of a flood."""
    found: list[Figure] = []
    if "jobs" in parts:
        found += [figure for size in sizes for figure in jobs(size)]
    if "restart" in parts:
        found += restart(max(sizes))
    if "wide" in parts:
        found += wide(NODES)
    if "flood" in parts:
        count = FLOOD if max(sizes) > max(SHORT) else SHORT_FLOOD
        found += flood("real", (), 6000, count)
        found += flood("simulated", (SIMULATED,), 20_000, count)
    return found


def main() -> None:
    """Measure what the options say, and print each part when it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="up to 100,000 jobs")
    parser.add_argument("--sizes", default="", help="numbers of jobs, separated by commas")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--json", default="", help="write the samples to this file, too")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",") if size] or (
        LONG if options.long else SHORT
    )
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    parts = options.only.split(",")
    measured: list[Figure] = []
    for part in parts:
        of_part = [(size,) for size in sizes] if part == "jobs" else [tuple(sizes)]
        for several in of_part:
            measured += (now := figures(several, (part,)))
            show(now)
    if options.json:
        samples = {figure.name: figure.series["ours"].samples for figure in measured}
        pathlib.Path(options.json).write_text(json.dumps(samples, indent=1))


if __name__ == "__main__":
    main()
