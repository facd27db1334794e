"""The same script and the same jobs under slurmctld and under our host: every field of
``job_desc``, log lines, messages, exit codes.

What differs on purpose stands in `INTENDED`, with the reason.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import socket
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from broker.slurm.job_submit.fields import FIELDS
from flux.testing.instance import running_instance
from tests.system.slurm import missing, running_slurm

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from flux.testing.instance import Instance

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

TEMPLATE = pathlib.Path(__file__).with_name("job_submit_fields.lua").read_text("utf-8")
SCRIPT: Final = TEMPLATE.replace("FIELD_NAMES", ", ".join(f'"{name}"' for name in FIELDS))
SLURM: Final = """
JobSubmitPlugins=lua
GresTypes=gpu
Licenses=foo:4
PartitionName=gpu Nodes=ALL MaxTime=60 DefaultTime=10 State=UP OverSubscribe=YES
"""
FLUX: Final = """
[job-submit]
plugins = ["lua"]
[job-submit.lua]
script = "{script}"
[queues.all]
[queues.gpu.policy]
limits.duration = "1h"
jobspec.defaults.system.duration = "10m"
[policy.jobspec.defaults.system]
queue = "all"
[[resource.config]]
hosts = "{host}"
cores = "0-7"
gpus = "0-1"
properties = ["fast"]
"""

INTENDED: Final = {
    "alloc_node": "Slurm's is what munge says of the client",
    "bitflags": "what Slurm's clients tell of themselves",
    "script": "a submitted command has no script, --wrap makes one",
    "argc": "sbatch --wrap has no words",
    "argv": "the same",
    "std_in": "sbatch says /dev/null",
}
"""Fields that may differ, and why."""


class Case(NamedTuple):
    """A job in the words of both; ``differs`` are fields that differ for it only."""

    name: str
    sbatch: str
    mini: str
    differs: tuple[str, ...] = ()


HOST: Final = socket.gethostname()
CASES: Final = (
    Case("plain", "", "", ("num_tasks",)),  # a job of Flux always says how many tasks it has
    Case("tasks", "-n 3", "-n3"),
    Case("cores", "-n 2 -c 2", "-n2 -c2"),
    Case("nodes", "-N 1 -n 2", "-N1 -n2"),
    Case("limit", "-n 1 -t 90", "-n1 -t 90m"),
    Case("seconds", "-n 1 -t 0:30", "-n1 -t 30s"),
    Case("queue", "-n 1 -p gpu", "-n1 --queue=gpu"),
    Case("account", "-n 1 -A acct", "-n1 --setattr=system.bank=acct"),
    Case("comment", '-n 1 --comment="a b"', '-n1 --setattr=system.comment="a b"'),
    Case("qos", "-n 1 --qos=high", "-n1 --setattr=system.qos=high"),
    Case("wckey", "-n 1 --wckey=w", "-n1 --setattr=system.slurm.wckey=w"),
    Case("features", "-n 1 -C fast", "-n1 --requires=fast"),
    Case("singleton", "-n 1 -d singleton", "-n1 --dependency=singleton"),
    Case("begin", "-n 1 --begin=2033-05-18T03:33:20", "-n1 --dependency=begin-time:2000000000"),
    Case("gpus", "-N 1 -n 1 --gres=gpu:1", "-N1 -n1 -g1"),
    Case("memory", "-n 1 --mem=100", "-n1 --setattr=system.slurm.min_mem_per_node=100"),
    Case("of_cpu", "-n 1 --mem-per-cpu=50", "-n1 --setattr=system.slurm.min_mem_per_cpu=50"),
    Case("output", "-n 1 -o out.%j -e err.%j", "-n1 --output=out.{{id}} --error=err.{{id}}"),
    Case("here", f"-N 1 -n 1 -w {HOST}", f"-N1 -n1 --requires=host:{HOST}"),
    Case("whole", "-N 1 -n 1 --exclusive", "-N1 -n1 --exclusive"),
    Case("licenses", "-n 1 -L foo:2", "-n1 --setattr=system.slurm.licenses=foo:2"),
    *(
        Case(name, "-n 1", "-n1")
        for name in (
            *("refuse", "error", "nothing", "text", "unknown", "negative", "tell", "set"),
            *("wrong", "numbers", "logs", "partitions"),
        )
    ),
)
FIELD: Final = re.compile(r"FIELD (\w+) (\w+) (.*)")


class Seen(NamedTuple):
    """What became of a job: fields by when and name, other lines of the script, what the user was
    told, the exit code.
    """

    fields: dict[tuple[str, str], str]
    lines: list[str]
    told: list[str]
    code: int


class Manager:
    """A resource manager with the script: ``environment`` leads commands to it."""

    def __init__(self, environment: dict[str, str], folder: pathlib.Path) -> None:
        self.environment = environment
        self.folder = folder

    def command(self, case: Case) -> str:
        raise NotImplementedError

    def log(self) -> str:
        raise NotImplementedError

    def lines_since(self, before: int) -> list[str]:
        """Return what scripts and the host said since the log had ``before`` characters."""
        return re.findall(r"(?:lua: |job_submit/lua: )(.*)", self.log()[before:])

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run(
            ["sh", "-c", command],
            env={**self.environment, "TZ": "UTC"},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def seen(self, case: Case) -> Seen:
        """Submit a job and look what became of it."""
        before = len(self.log())
        done = self.run(self.command(case))
        lines = self.lines_since(before)
        fields, others = {}, []
        for line in lines:
            match = FIELD.match(line)
            if match is None:
                others.append(line.replace(str(self.folder), "FOLDER"))
            else:
                fields[match[1], match[2]] = match[3]
        return Seen(fields, others, told(done.stderr), done.returncode)


def told(text: str) -> list[str]:
    """Return what a client said, without its name and without error numbers."""
    lines = [
        re.sub(r"^(sbatch|flux-mini): ((error|ERROR): )?", "", line) for line in text.splitlines()
    ]
    lines = [line.removeprefix("Batch job submission failed: ") for line in lines]
    return [re.sub(r"^\[Errno \d+\] (job_submit/lua refused: )?", "", line) for line in lines]


class SlurmManager(Manager):
    """slurmctld."""

    def command(self, case: Case) -> str:
        return f"sbatch -H -J {case.name} {case.sbatch} --wrap true"

    def log(self) -> str:
        conf = pathlib.Path(self.environment["SLURM_CONF"])
        return (conf.parent / "slurmctld.log").read_text("utf-8", "replace")


class FluxManager(Manager):
    """Our host."""

    def command(self, case: Case) -> str:
        return f"flux mini submit --urgency=0 --job-name={case.name} {case.mini} true"

    def log(self) -> str:
        return self.run("flux dmesg").stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def slurm(folder: pathlib.Path) -> Iterator[Manager]:
    files = {"job_submit.lua": SCRIPT, "gres.conf": "Name=gpu File=/dev/null\n"}
    with running_slurm(
        more=SLURM, files=files, features="Gres=gpu:1 Feature=fast RealMemory=1000"
    ) as environment:
        yield SlurmManager(environment, folder)


@contextlib.contextmanager
def instance_with(script: pathlib.Path, folder: pathlib.Path) -> Iterator[Instance]:
    (folder / "conf.toml").write_text(FLUX.format(script=script, host=HOST))
    path = f"--config-path={folder}/conf.toml"
    with running_instance(1, path, "-o,-Slog-ring-size=100000") as instance:
        yield instance


@pytest.fixture(scope="module")
def ours(folder: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    made = tmp_path_factory.mktemp("flux")
    script = made / "job_submit.lua"
    script.write_text(SCRIPT)
    with instance_with(script, made) as instance:
        yield FluxManager(instance.environment, folder)


def differing(
    theirs: Seen, ours: Seen, intended: Container[str]
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """Return the fields that are not the same, but for those meant to differ."""
    keys = theirs.fields.keys() | ours.fields.keys()
    return {
        key: (theirs.fields.get(key), ours.fields.get(key))
        for key in keys
        if key[1] not in intended and theirs.fields.get(key) != ours.fields.get(key)
    }


def without_paths(lines: list[str]) -> list[str]:
    """Return lines of the log without the path of the script, which Lua shortens."""
    return [re.sub(r"\S*job_submit\.lua", "SCRIPT", line) for line in lines]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_job(slurm: Manager, ours: Manager, case: Case) -> None:
    theirs, mine = slurm.seen(case), ours.seen(case)
    assert theirs.fields
    assert differing(theirs, mine, {*INTENDED, *case.differs}) == {}
    assert without_paths(theirs.lines) == without_paths(mine.lines)
    assert theirs.code == mine.code
    extra = [line for line in mine.told if "the job is taken as it is" in line]
    assert [line for line in mine.told if line not in extra] == theirs.told
    assert bool(extra) == (case.name in ("error", "nothing", "logs"))


CHANGES: Final = (
    ("timelimit=40", "duration=40m"),
    ("timelimit=50", "duration=50m"),
    ("timelimit=99", "duration=99m"),
    ("name=other", "name=other"),
)


def test_changes(slurm: Manager, ours: Manager) -> None:
    """``scontrol update`` and ``flux update`` of the same job come to the same."""
    found = []
    for manager, submit, update in (
        (slurm, "sbatch --parsable -H -n1 -J first -t 30 --wrap true", "scontrol update jobid={}"),
        (ours, "flux mini submit --urgency=0 -n1 --job-name=first -t 30m true", "flux update {}"),
    ):
        jobid = manager.run(submit).stdout.strip()
        before, codes = len(manager.log()), []
        for change in CHANGES:
            word = change[0] if manager is slurm else change[1]
            codes.append(manager.run(f"{update.format(jobid)} {word}").returncode)
        found.append((codes, manager.lines_since(before)))
    theirs, mine = found
    assert theirs == mine
    assert theirs[0] == [0, 0, 1, 0]
    assert "time_limit 30 to 40" in theirs[1]


def test_a_hold_and_a_release(slurm: Manager, ours: Manager) -> None:
    before = len(slurm.log()), len(ours.log())
    jobid = slurm.run("sbatch --parsable -H -n1 --wrap true").stdout.strip()
    assert slurm.run(f"scontrol hold {jobid}").returncode == 0
    jobid = ours.run("flux mini submit --urgency=0 -n1 true").stdout.strip()
    assert ours.run(f"flux job urgency {jobid} hold").returncode == 0
    for manager, start in zip((slurm, ours), before, strict=True):
        assert "modified by 0" in manager.lines_since(start)
