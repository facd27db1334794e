"""How long it takes to give 10,000 pending jobs their priorities anew, when all of them change:
with age and fair share, and with a site's plugin that looks at every job.

python -m bench.priority [--jobs N]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile
import time
from functools import cache
from typing import TYPE_CHECKING, Final

import psutil

from bench.measure import Figure, Series, Target, in_instance, show
from flux.core.handle import Flux
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from flux.testing.instance import Instance

JOBS: Final = 10_000
ROUNDS: Final = 5
STATS: Final = "job-manager.priority-multifactor.stats"
PATIENCE: Final = 300.0
TABLE: Final = """
[priority]
calc-period = "1h"
max-age = "1h"
[priority.weight]
age = 4000000000
fairshare = 10000
job-size = 1000
"""
PLUGIN: Final = """
import slurm
plugin_name, plugin_type = "all change", "site_factor/bench"
turn = 0
def init(): pass
def fini(): pass
def site_factor_p_reconfig(): pass
def site_factor_p_set(job): pass
def site_factor_p_update():
    global turn
    turn += 1
    for job in slurm.job_list:
        job.site_factor = slurm.NICE_OFFSET + job.total_cpus + turn
"""


def _rounds(instance: Instance, jobs: int) -> list[dict[str, float]]:
    """What each of some rounds took: seconds in all, those of it that the site's plugin took, and
    of processor time of the broker.
    """
    with Flux(instance.uri) as handle:
        broker = psutil.Process(int(handle.attr_get("broker.pid") or 0))
        found = []
        for _ in range(ROUNDS):
            before = handle.rpc(STATS, {}).get()["count"]
            times = broker.cpu_times()
            in_instance(instance, "config", "reload")
            deadline = time.monotonic() + PATIENCE
            while (stats := handle.rpc(STATS, {}).get())["count"] == before:
                if time.monotonic() > deadline:
                    raise RuntimeError("the round does not end")
                time.sleep(0.005)
            if stats["changed"] < jobs:
                raise RuntimeError(f"only {stats['changed']} of {jobs} jobs changed")
            after = broker.cpu_times()
            used = after.user + after.system - times.user - times.system
            found.append({**stats, "cpu": used})
    return found


@cache
def _measured(jobs: int, *, site: bool) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "plugin.py").write_text(PLUGIN)
        more = f'site-factor-plugin = "{folder}/plugin.py"\n' if site else ""
        (folder / "a.toml").write_text(TABLE.replace("max-age", f"{more}max-age"))
        with running_instance(1, f"--config-path={folder}/a.toml") as instance:
            cores = len(os.sched_getaffinity(0))
            in_instance(instance, "mini", "submit", "--urgency=31", f"-n{cores}", "sleep", "inf")
            lines = "".join(f"{number}\n" for number in range(jobs))
            words = ("mini", "bulksubmit", "--quiet", "true", "{}")
            done = instance.run(*words, stdin=lines, timeout=PATIENCE)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip()[-200:])
            return _rounds(instance, jobs)


def _figure(jobs: int, what: str, *, site: bool, bound: float | None) -> Figure:
    rounds = _measured(jobs, site=site)
    samples = tuple(one["seconds"] + (one["site_seconds"] if site else 0.0) for one in rounds)
    cpu = sorted(one["cpu"] for one in rounds)[len(rounds) // 2]
    note = f"all change, {cpu:.2f} s of the broker's processor time"
    series = {"ours": Series(samples)}
    return Figure(f"{jobs} pending jobs prioritised anew, {what}", "s", Target(bound), series, note)


def figures(jobs: int = JOBS) -> list[Figure]:
    """Seconds of a round."""
    return [
        _figure(jobs, "age and fair share", site=False, bound=0.5 if jobs == JOBS else None),
        _figure(jobs, "and a site's plugin", site=True, bound=None),
    ]


def main() -> None:
    """Measure alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=JOBS)
    for figure in figures(parser.parse_args().jobs):
        show([figure])
        print(f"  {figure.note}")
        print(json.dumps(figure.series["ours"].samples))


if __name__ == "__main__":
    main()
