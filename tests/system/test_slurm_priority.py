"""The same jobs, weights and site factors for a real Slurm and for us: the factors that sprio and
``flux priority`` show, the priorities, and their order.

Without slurmdbd Slurm computes neither age nor fair share nor QOS; what it computes without is
compared. Its jobs only wait: there is a slurmctld, and no slurmd.
"""

from __future__ import annotations

import itertools
import random
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.slurm import missing, running_slurm
from tests.system.watching import until

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.skipif(missing() != "", reason=missing() or "there is a Slurm")

SLURM = """
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PriorityType=priority/multifactor
PriorityWeightAge=0
PriorityWeightJobSize={{job_size}}
PriorityWeightPartition={{partition}}
PriorityFavorSmall={{favor_small}}
{{flags}}
NodeName=n[0-3] NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityJobFactor=10
PartitionName=hot Nodes=ALL MaxTime=INFINITE State=UP PriorityJobFactor=40
PartitionName=cold Nodes=ALL MaxTime=INFINITE State=UP PriorityJobFactor=0
PartitionName=plain Nodes=ALL MaxTime=INFINITE State=UP
"""
FLUX = """
[resource]
noverify = true
config = [{{ hosts = "n[0-3]", cores = "0-7" }}]
[queues]
all = {{}}
hot = {{}}
cold = {{}}
plain = {{}}
[priority]
favor-small = {favor_small}
flags = [{flags}]
site-factor-plugin = "{plugin}"
[priority.weight]
job-size = {job_size}
partition = {partition}
[priority.queue]
all = 10
hot = 40
cold = 0
"""
PLUGIN = """
import slurm
plugin_name, plugin_type = "by comment", "site_factor/comment"
def init(): pass
def fini(): pass
def site_factor_p_reconfig(): pass
def site_factor_p_update(): pass
def site_factor_p_set(job): job.site_factor = slurm.NICE_OFFSET + int(job.comment or 0)
"""
FORMAT = "%r|%Y|%S|%J|%P|%N"
NORM = "%j|%p"


class Wanted(NamedTuple):
    """A job: nodes (0 if it does not say), tasks, minutes (0 for no limit), what else counts."""

    nodes: int
    tasks: int
    minutes: int
    queue: str
    nice: int
    site: int


class Told(NamedTuple):
    """What both are told."""

    job_size: int
    partition: int
    favor_small: bool
    flags: tuple[str, ...]


SETTINGS = {
    "plain": Told(100000, 1000, False, ()),
    "small": Told(10001, 3, True, ()),
    "time": Told(100000, 1000, False, ("SMALL_RELATIVE_TO_TIME",)),
    "small-time": Told(77777, 1, True, ("SMALL_RELATIVE_TO_TIME", "NO_NORMAL_PART")),
}
EDGES = [
    Wanted(0, 1, 0, "all", 0, 0),
    Wanted(4, 32, 0, "hot", 0, 0),
    Wanted(0, 9, 10, "all", 100, -50),
    Wanted(1, 8, 1, "cold", -5, 7),
    Wanted(2, 2, 1440, "plain", 0, 0),
    Wanted(0, 1, 10, "hot", 9999999, 0),
    Wanted(0, 1, 10, "hot", 0, -100000000),
    Wanted(0, 1, 10, "cold", 0, 2000000000),
]


def jobs(seed: int) -> list[Wanted]:
    rng = random.Random(seed)
    found = list(EDGES)
    for _ in range(16):
        nodes = rng.choice([0, 0, 1, 2, 3, 4])
        # As many tasks on each node: Flux would ask for more cores otherwise.
        tasks = rng.randint(1, 8) * nodes or rng.randint(1, 32)
        queue = rng.choice(["all", "hot", "cold", "plain"])
        minutes = rng.choice([0, 1, 7, 60, 1441])
        nice = rng.choice([0, 0, rng.randint(-3000, 3000)])
        site = rng.choice([0, 0, rng.randint(-20000, 20000)])
        found.append(Wanted(nodes, tasks, minutes, queue, nice, site))
    return found


def output(argv: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def by_slurm(wanted: list[Wanted], settings: Told) -> list[str]:
    """What sprio says of the jobs, one line each."""
    flags = ",".join(settings.flags)
    text = SLURM.format().format(
        job_size=settings.job_size,
        partition=settings.partition,
        favor_small="YES" if settings.favor_small else "NO",
        flags=f"PriorityFlags={flags}" if flags else "",
    )
    with running_slurm(machine=text, runs=False) as environment:
        for number, job in enumerate(wanted, 1):
            argv = ["sbatch", f"-n{job.tasks}", f"-p{job.queue}", f"--nice={job.nice}", "-D/tmp"]
            argv += [f"-N{job.nodes}"] if job.nodes else []
            argv += [f"-t{job.minutes}"] if job.minutes else []
            output([*argv, "--wrap=true"], environment)
            if job.site:
                update = ["scontrol", "update", f"job={number}", f"SiteFactor={job.site}"]
                output(update, environment)

        def shown() -> list[str]:
            lines = output(["sprio", "-h", "-o", f"{FORMAT}|{NORM}"], environment).splitlines()
            return [line.strip() for line in lines]

        until(lambda: len(shown()) == len(wanted))
        return shown()


def by_us(wanted: list[Wanted], settings: Told, folder: pathlib.Path) -> list[str]:
    """What ``flux priority`` says of the same jobs, one line each."""
    plugin = folder / "comment.py"
    plugin.write_text(PLUGIN)
    text = FLUX.format(
        job_size=settings.job_size,
        partition=settings.partition,
        favor_small=str(settings.favor_small).lower(),
        flags=", ".join(f'"{flag}"' for flag in settings.flags),
        plugin=plugin,
    )
    (folder / "a.toml").write_text(text)
    with running_instance(4, f"--config-path={folder}/a.toml") as instance:
        instance.run("queue", "stop", "--all", "--quiet")  # jobs only wait
        for job in wanted:
            submit(instance, job)

        def shown() -> list[str]:
            return instance.run("priority", "-h", "-o", f"{FORMAT}|{NORM}").stdout.splitlines()

        until(lambda: len(shown()) == len(wanted))
        return shown()


def submit(instance: Instance, job: Wanted) -> None:
    argv = [f"--queue={job.queue}", f"-n{job.tasks}"]
    argv += [f"-N{job.nodes}"] if job.nodes else []
    argv += [f"-t{job.minutes}m"] if job.minutes else []
    argv += [f"--setattr=system.nice={job.nice}"] if job.nice else []
    argv += [f"--setattr=system.comment='\"{job.site}\"'".replace("'", "")] if job.site else []
    done = instance.run("mini", "submit", *argv, "true")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(SETTINGS))
def test_both_make_the_same_of_the_same_jobs(tmp_path: pathlib.Path, name: str) -> None:
    settings, wanted = SETTINGS[name], jobs(len(name))
    theirs = by_slurm(wanted, settings)
    ours = by_us(wanted, settings, tmp_path)
    different = [
        f"{job}\nslurm {one}\nflux  {two}"
        for job, one, two in zip(wanted, theirs, ours, strict=True)
        if one != two
    ]
    assert not different, "\n".join(different)
    assert order(theirs) == order(ours)


def order(lines: list[str]) -> list[list[int]]:
    """The jobs by falling priority, those with the same one together."""
    priorities = [int(re.split(r"\|", line)[1]) for line in lines]
    places = sorted(range(len(lines)), key=lambda place: -priorities[place])
    return [list(group) for _, group in itertools.groupby(places, key=lambda p: priorities[p])]
