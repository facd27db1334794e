"""A pipeline of short jobs beside what people use instead, in turns: GNU parallel and HyperQueue
where they are installed, and xargs, which only starts processes.

python -m bench.pipelines [turns]

GNU parallel is looked for in PATH; HyperQueue is the package of that name, in this interpreter or
in the one that PEER_HYPERQUEUE names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final

from bench.measure import Figure, Series, Target, show
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rate = Callable[[], float]

COUNT: Final = 1000
TURNS: Final = 3
OURS: Final = "flux mini bulksubmit --wait"
LIMITS: Final = {"GNU parallel -j2": 1.5, "HyperQueue": 1.2}
"""How many times the rate of each ours is to be."""
WATCHED: Final = 392
"""Jobs a second with their output watched."""
FIRST: Final = 0.35
"""Seconds from nothing to the end of the first job."""
HYPERQUEUE: Final = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=2))
    client = cluster.client()
    for count in (10, int(sys.argv[1])):
        job = Job()
        for number in range(count):
            job.program(["true", str(number)])
        started = time.perf_counter()
        client.wait_for_jobs([client.submit(job)])
    print(count / (time.perf_counter() - started))
"""


def _inputs(count: int) -> str:
    return "".join(f"{number}\n" for number in range(count))


def _piped(*words: str) -> float:
    """Return the jobs a second of a command that reads its inputs from a pipe."""
    started = time.perf_counter()
    subprocess.run(words, input=_inputs(COUNT), text=True, capture_output=True, check=True)
    return COUNT / (time.perf_counter() - started)


def _ours(*options: str) -> float:
    with running_instance() as instance:
        words = ("mini", "bulksubmit", "--quiet", *options, "{}")
        for count in (10, COUNT):
            started = time.perf_counter()
            run = instance.run(*words, stdin=_inputs(count), timeout=300)
            if run.returncode != 0:
                raise RuntimeError(run.stderr.strip()[-200:])
        return COUNT / (time.perf_counter() - started)


def _hyperqueue(python: str) -> float:
    words = [python, "-c", HYPERQUEUE, str(COUNT)]
    with tempfile.TemporaryDirectory() as folder:  # each of its tasks leaves two files there
        run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def tools() -> Mapping[str, Rate]:
    """Return what can be measured here, by name: ours first."""
    found: dict[str, Rate] = {OURS: lambda: _ours("--wait", "true")}
    if shutil.which("parallel"):
        found["GNU parallel -j2"] = lambda: _piped("parallel", "-j2", "true", "{}")
    python = os.environ.get("PEER_HYPERQUEUE", sys.executable)
    if not subprocess.run([python, "-c", "import hyperqueue"], capture_output=True).returncode:
        found["HyperQueue"] = lambda: _hyperqueue(python)
    found["xargs -P2 -n1"] = lambda: _piped("xargs", "-P2", "-n1", "true")
    return found


def compared(turns: int = TURNS) -> list[Figure]:
    """Measure all tools in turns; a ratio is that of one turn."""
    rates: dict[str, list[float]] = {name: [] for name in tools()}
    for _ in range(turns):
        for name, rate in tools().items():
            rates[name].append(rate())
    out = [
        Figure(f"`true` through {name}", "jobs/s", Target(), {"ours": Series(tuple(samples))})
        for name, samples in rates.items()
    ]
    for name, limit in LIMITS.items():
        target = Target(limit, None, True)
        title = f"{OURS} over {name}"
        if name not in rates:
            out.append(Figure(title, "×", target, {}, errors=(f"{name} is not installed",)))
            continue
        ratios = [mine / other for mine, other in zip(rates[OURS], rates[name], strict=True)]
        out.append(Figure(title, "×", target, {"ours": Series(tuple(ratios))}))
    return out


def _first_job() -> float:
    from bench.measure import timed
    from flux.testing.instance import default_flux

    flux = default_flux()
    return timed([flux, "start", flux, "mini", "run", "true"])


def figures() -> list[Figure]:
    """Compare pipelines; jobs whose output is watched; the first job of an instance."""
    watched = Series(tuple(_ours("--watch", "echo") for _ in range(TURNS)))
    first = Series(tuple(_first_job() for _ in range(7))[2:])
    return [
        *compared(),
        Figure(
            "`echo` through bulksubmit --watch",
            "jobs/s",
            Target(WATCHED, None, True),
            {"ours": watched},
        ),
        Figure("flux start flux mini run true", "s", Target(FIRST), {"ours": first}),
    ]


if __name__ == "__main__":
    show(compared(int(sys.argv[1])) if len(sys.argv) > 1 else figures())
