"""Workflow programs: snakemake, maestrowf, merlin, ReFrame, PSI/J, radical.utils, hpc-launcher,
StreamFlow."""

from __future__ import annotations

import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.ecosystem.programs import SCRIPTS
from tests.system.watching import until

if TYPE_CHECKING:
    import pathlib
    import subprocess

    from tests.ecosystem.programs import Programs

PROGRAM = {
    "snakemake": "snakemake-executor-plugin-flux",
    "maestro": "maestrowf",
    "merlin": "merlin",
    "reframe": "reframe-hpc",
    "psij": "psij-python",
    "radical": "radical.utils",
    "launcher": "hpc-launcher",
    "streamflow": "streamflow",
}


def test_snakemake_steps(programs: Programs, tmp_path: pathlib.Path) -> None:
    """A workflow of 15 steps, with threads, runtime and logs."""
    shutil.copy(SCRIPTS / "Snakefile", tmp_path / "Snakefile")
    done = programs.run(
        *("snakemake", "--executor", "flux", "--jobs", "4", "--directory", tmp_path),
        *("--snakefile", tmp_path / "Snakefile", "--latency-wait", "30"),
        *("--seconds-between-status-checks", "1"),
        cwd=tmp_path,
        deadline=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "total.txt").read_text().strip() == "8"
    assert (tmp_path / "doubled" / "3.txt").read_text() == "6\n"
    assert (tmp_path / "logs" / "make-2.log").read_text() == "made 2\n"


def test_snakemake_failing_step(programs: Programs, tmp_path: pathlib.Path) -> None:
    """A step that fails ends the workflow."""
    (tmp_path / "Snakefile").write_text("rule all:\n output: 'never'\n shell: 'exit 3'\n")
    done = programs.run(
        *("snakemake", "--executor", "flux", "--jobs", "1", "--latency-wait", "1"),
        *("--seconds-between-status-checks", "1"),
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Error in rule all" in done.stdout + done.stderr


def test_snakemake_attempts(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Groups of steps, attempts, limits of a step."""
    shutil.copy(SCRIPTS / "Retries", tmp_path / "Snakefile")
    done = programs.run(
        *("snakemake", "--executor", "flux", "--jobs", "4", "--latency-wait", "30"),
        *("--seconds-between-status-checks", "1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (tmp_path / "grouped.txt").read_text().split()
    assert first == second
    assert (tmp_path / "tried.txt").read_text() == "3\n"
    assert (tmp_path / "limited.txt").read_text().split()[1] == "60.0"


KEEPS_GOING = """
rule all:
    input: "well", "wrong"
    localrule: True
rule well:
    output: "well"
    shell: "sleep 2; touch well"
rule wrong:
    output: "wrong"
    shell: "exit 3"
"""


def test_snakemake_keep_going(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``--keep-going``: what does not depend on a step that fails."""
    (tmp_path / "Snakefile").write_text(KEEPS_GOING)
    done = programs.run(
        *("snakemake", "--executor", "flux", "--jobs", "2", "--latency-wait", "1", "--keep-going"),
        *("--seconds-between-status-checks", "1"),
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Error in rule wrong" in done.stdout + done.stderr
    assert (tmp_path / "well").exists()


@pytest.mark.own_fault("looks for a job's future where it has none: AttributeError, flux_future")
def test_snakemake_interrupted(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Interrupted: the steps that run are cancelled."""
    step = "touch started; until test -e go; do sleep 0.2; done"
    (tmp_path / "Snakefile").write_text(f"rule all:\n output: 'never'\n shell: '{step}'\n")
    words = ("snakemake", "--executor", "flux", "--jobs", "1", "--latency-wait", "1")
    more = ("--seconds-between-status-checks", "1")
    with programs.started(*words, *more, cwd=tmp_path) as process:
        until((tmp_path / "started").exists)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = ""
        while "AttributeError" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        assert "'flux_future'" in said
        (tmp_path / "go").touch()  # its executor waits for the step
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_maestro_study(programs: Programs, tmp_path: pathlib.Path) -> None:
    """A study of two steps for each of two parameters, with ``$(LAUNCHER)``."""
    shutil.copy(SCRIPTS / "study.yaml", tmp_path / "study.yaml")
    out = tmp_path / "study"
    done = programs.run(
        *("maestro", "run", "-fg", "-y", "-s", "1", "-o", out, tmp_path / "study.yaml"),
        cwd=tmp_path,
        deadline=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    status = programs.ok("maestro", "status", "--layout", "flat", "--disable-pager", out)
    assert len(re.findall("FINISHED", status)) == 4, status
    said = {path.read_text().strip() for path in out.rglob("said")}
    assert said == {"hello ann", "hello bob", "bye ann", "bye bob"}
    ranks = {path.read_text().strip() for path in out.rglob("ranks")}
    assert ranks == {"task 0 of ann", "task 0 of bob"}


def _study(programs: Programs, folder: pathlib.Path, name: str, *options: str) -> str:
    """Run a study of `scripts` to its end; returns the table of its steps."""
    shutil.copy(SCRIPTS / name, folder / name)
    words = ("maestro", "run", "-fg", "-y", "-s", "1", *options, "-o", str(folder / "study"))
    programs.run(*words, folder / name, cwd=folder, deadline=240)
    return programs.ok("maestro", "status", "--layout", "flat", "--disable-pager", folder / "study")


def test_maestro_waiting(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Steps that wait for one another's nodes."""
    status = _study(programs, tmp_path, "pending.yaml")
    assert len(re.findall("FINISHED", status)) == 2, status


def test_maestro_options(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Nested steps, priority, exclusive, bank and options; a step that fails, one that restarts."""
    status = _study(programs, tmp_path, "options.yaml", "-r", "2")
    found = dict(re.findall(r"│ (nested|slow|wrong) .*?│ (FINISHED|FAILED|TIMEDOUT)", status))
    assert (found["nested"], found["wrong"]) == ("FINISHED", "FAILED"), status
    study = tmp_path / "study"
    assert (study / "nested" / "size").read_text() == "2\n"
    ranks = sorted((study / "nested" / "ranks").read_text().splitlines())
    assert ranks == ["task 0 of 2", "task 1 of 2"]
    assert (study / "slow" / "said").read_text() == "restarted\n"
    listed = programs.ok("flux", "jobs", "-a", "-n", "-o", "{name} {urgency} {nnodes} {duration}")
    assert "nested 24 2 300.0" in listed.splitlines(), listed


def test_maestro_dry(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``--dry``: the scripts with their lines for Flux, and no job."""
    before = programs.ok("flux", "jobs", "-a", "-n", "-o", "{id}")
    _study(programs, tmp_path, "options.yaml", "--dry")
    script = (tmp_path / "study" / "nested" / "nested.flux.sh").read_text()
    for line in ("#flux: -N 2", "#flux: --bank=physics", "#flux: --exclusive"):
        assert line in script.splitlines(), script
    assert programs.ok("flux", "jobs", "-a", "-n", "-o", "{id}") == before


def test_maestro_cancel(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``maestro cancel``: a study that runs."""
    text = (SCRIPTS / "pending.yaml").read_text().replace("sleep 1", "sleep 600")
    (tmp_path / "long.yaml").write_text(text)
    study = tmp_path / "study"
    words = ("maestro", "run", "-fg", "-y", "-s", "1", "-o", study, tmp_path / "long.yaml")
    with programs.started(*words, cwd=tmp_path) as process:
        until(lambda: "RUN" in programs.ok("flux", "jobs", "-n", "-o", "{state}"))
        programs.ok("maestro", "cancel", "-y", study)
        process.communicate(timeout=60)
    status = programs.ok("maestro", "status", "--layout", "flat", "--disable-pager", study)
    assert len(re.findall("CANCELLED", status)) == 2, status
    assert programs.ok("flux", "jobs", "-n", "-o", "{id}") == ""


def test_maestro_conductor(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Its conductor in the background: dependencies, two jobs at a time, a step that fails."""
    shutil.copy(SCRIPTS / "chain.yaml", tmp_path / "chain.yaml")
    study = tmp_path / "study"
    words = ("maestro", "run", "-y", "-s", "1", "-t", "2", "-o", study, tmp_path / "chain.yaml")

    def states() -> dict[str, str]:
        said = programs.run("maestro", "status", "--layout", "flat", "--disable-pager", study)
        return dict(re.findall(r"│ (\S+) .*?│ (FINISHED|FAILED)", said.stdout))

    # The conductor goes on by itself; `started` ends it with the test, whatever becomes of it.
    with programs.started("sh", "-c", '"$@"; exec sleep 600', "sh", *words, cwd=tmp_path):
        until(lambda: len(states()) == 9)
    failed = {name for name, state in states().items() if state == "FAILED"}
    assert failed == {"wrong", "never"}
    assert (study / "gathered" / "all").read_text() == "ann\nbob\ncid\n"
    assert not (study / "never" / "never").exists()
    listed = programs.ok("flux", "jobs", "-a", "-n", "-o", "{name} {ncores} {nnodes}").splitlines()
    assert {"second_WORD.bob 2 1", "gathered 2 2"} <= set(listed), listed


def test_merlin_local(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``merlin run --local``: steps that launch tasks on two nodes."""
    shutil.copy(SCRIPTS / "merlin.yaml", tmp_path / "merlin.yaml")
    programs.ok("merlin", "run", "--local", tmp_path / "merlin.yaml", cwd=tmp_path)
    (found,) = tmp_path.glob("local_*/after/all")
    said = [f"{word} {rank} of 2 on 2" for word in ("ann", "bob") for rank in (0, 1)]
    assert found.read_text().splitlines() == said


def test_merlin_version(programs: Programs) -> None:
    """The version of Flux."""
    assert programs.finishes("merlin_cases", "version")


def test_merlin_commands(programs: Programs) -> None:
    """The commands that it chooses for jobs and allocations run."""
    assert programs.finishes("merlin_cases", "commands")


def test_merlin_scheduler(programs: Programs) -> None:
    """The check for the scheduler."""
    assert programs.finishes("merlin_cases", "scheduler")


def test_merlin_launcher(programs: Programs) -> None:
    """The line that starts workers runs."""
    assert programs.finishes("merlin_cases", "launcher")


def test_reframe_checks(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Two checks by the scheduler ``flux``."""
    checks = SCRIPTS / "checks.py"
    done = programs.run(
        *("reframe", "-C", checks, "-c", checks, "-r", "--prefix", tmp_path),
        *("--system", "here:instance"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 2/2 test case(s) from 2 check(s) (0 failure(s)" in done.stdout


def _more_checks(programs: Programs, folder: pathlib.Path, *options: str) -> str:
    """Run checks of `scripts/more_checks.py`; returns what ReFrame says."""
    for name in ("checks.py", "more_checks.py"):
        shutil.copy(SCRIPTS / name, folder / name)
    checks = ("-C", str(folder / "checks.py"), "-c", str(folder / "more_checks.py"))
    where = ("--prefix", str(folder), "--system", "here:instance")
    done = programs.run(
        *("reframe", *checks, *where, "-r", "--nocolor", *options),
        cwd=folder,
        PYTHONPATH=f"{folder}:{programs.environment.get('PYTHONPATH', '')}",
    )
    assert done.returncode == 1, done.stdout + done.stderr  # there is one that fails
    return done.stdout


def test_reframe_dependencies(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Checks with parameters, dependencies and figures, one that fails and one after it."""
    said = _more_checks(programs, tmp_path, "-x", "Cores")
    found = re.findall(r"^\[ +(OK|FAIL|SKIP) \] \( ?\d+/8\) (\w+(?: %\w+=\w+)?)", said, re.M)
    well = ["Each %word=ann", "Each %word=bob", "Each %word=cid", "Fast", "First", "Second"]
    assert sorted(name for verdict, name in found if verdict == "OK") == well, said
    assert ("FAIL", "Wrong") in found
    assert ("SKIP", "AfterWrong") in found
    assert "took: 7.0 s" in said


@pytest.mark.own_fault("makes the jobspec before it knows how many cores a check asks for")
def test_reframe_cores(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Cores of a check."""
    said = _more_checks(programs, tmp_path, "-n", "Cores")
    assert "test failed during 'sanity'" in said, said
    (out,) = tmp_path.glob("stage/**/rfm_job.out")
    assert out.read_text() == "cores=1\n"


def test_psij_files(programs: Programs) -> None:
    """Standard input, output and error."""
    assert programs.finishes("psij_cases", "files")


def test_psij_states(programs: Programs) -> None:
    """A callback for states."""
    assert programs.finishes("psij_cases", "states")


def test_psij_failure(programs: Programs) -> None:
    """The exit code of a job that fails."""
    assert programs.finishes("psij_cases", "failure")


def test_psij_cancel(programs: Programs) -> None:
    """Cancel."""
    assert programs.finishes("psij_cases", "cancel")


def test_psij_attach(programs: Programs) -> None:
    """List and attach."""
    assert programs.finishes("psij_cases", "attached")


def test_psij_resources(programs: Programs) -> None:
    """Two processes, and a duration."""
    assert programs.finishes("psij_cases", "resources")


def test_psij_limit(programs: Programs) -> None:
    """A job that exceeds its duration."""
    assert programs.finishes("psij_cases", "limit")


def test_psij_missing(programs: Programs) -> None:
    """A program that there is not."""
    assert programs.finishes("psij_cases", "missing")


def test_psij_killed(programs: Programs) -> None:
    """The exit code of a job that a signal ends."""
    assert "exit code 137" in programs.case("psij_cases", "killed")


def test_psij_nodes(programs: Programs) -> None:
    """Processes on two nodes."""
    assert programs.finishes("psij_cases", "nodes")


def test_psij_unsatisfiable(programs: Programs) -> None:
    """More nodes than there are."""
    said = programs.case("psij_cases", "unsatisfiable")
    assert "unsatisfiable request" in said, said


def test_psij_many(programs: Programs) -> None:
    """Twenty jobs at once, half of which fail: their states in order."""
    assert programs.finishes("psij_cases", "many")


def test_psij_queued(programs: Programs) -> None:
    """Cancel a job that waits for resources."""
    programs.run("flux", "cancel", "--all")  # what others left would keep the first one waiting
    programs.ok("flux", "queue", "drain")
    assert programs.finishes("psij_cases", "queued")


def test_psij_attached_last(programs: Programs) -> None:
    """Attach to a job that has ended."""
    assert programs.finishes("psij_cases", "attached_last")


@pytest.mark.own_fault("passes None for what is not said: ValueError, task count")
def test_psij_unsaid(programs: Programs) -> None:
    """A job without a resource specification."""
    assert "ValueError: task count must be" in programs.failing("psij_cases", "unsaid")


@pytest.mark.own_fault("does not pass them on to Flux")
def test_psij_directory(programs: Programs) -> None:
    """Environment and working directory of a job."""
    said = programs.case("psij_cases", "directory")
    assert "word=\n" in said
    assert "/usr\n" not in said


def test_radical_module(programs: Programs) -> None:
    """``FluxModule``: what there is."""
    assert programs.finishes("radical_cases", "module")


def test_radical_service(programs: Programs) -> None:
    """``FluxService``: an instance of its own."""
    assert programs.finishes("radical_cases", "service")


def test_radical_helper(programs: Programs) -> None:
    """``FluxHelper``: jobs and their events."""
    assert programs.finishes("radical_cases", "helper")


def test_radical_cancel(programs: Programs) -> None:
    """``FluxHelper``: cancel."""
    assert programs.finishes("radical_cases", "cancel")


def test_launcher_launch(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch``: a program on two nodes."""
    done = programs.run(
        *("launch", "--scheduler", "flux", "-N", "2", "-n", "1", "-l", tmp_path / "work"),
        *("sh", "-c", "echo rank $FLUX_TASK_RANK"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "rank " in line]
    assert {line[-6:] for line in lines} == {"rank 0", "rank 1"}, done.stdout + done.stderr


def test_launcher_background(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch --bg``: a batch job, cancelled by ``hpc-launcher-cancel``."""
    done = programs.run(
        *("launch", "--scheduler", "flux", "--bg", "-N", "1", "-n", "1", "-l", tmp_path / "work"),
        *("sleep", "600"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = programs.ok("flux", "jobs", "-n", "-o", "{id.f58}").split()
    assert listed, done.stdout + done.stderr
    programs.ok("hpc-launcher-cancel", "--scheduler", "flux", listed[0])
    until(lambda: listed[0] not in programs.ok("flux", "jobs", "-n", "-o", "{id.f58}"))


def _launched(programs: Programs, folder: pathlib.Path, *words: str) -> str:
    start = ("launch", "--scheduler", "flux", "-l", folder / "work")
    done = programs.run(*start, *words, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_launcher_options(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch``: a name, and options of Flux that it does not know."""
    words = ("-N", "1", "-n", "2", "-J", "named", "-x--urgency=20", "-x--env=WORD=more", "--")
    said = _launched(programs, tmp_path, *words, "sh", "-c", "echo said $WORD $FLUX_TASK_RANK")
    assert {"said more 0", "said more 1"} <= set(said.splitlines()), said
    listed = programs.ok("flux", "jobs", "-a", "-n", "-o", "{name} {urgency}")
    assert "named 20" in listed.splitlines()


def test_launcher_files(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch --exclusive --save-hostlist``: output in files, the list of nodes."""
    words = ("-N", "2", "-n", "1", "--exclusive", "--save-hostlist", "--out", "o", "--err", "e")
    _launched(programs, tmp_path, *words, "sh", "-c", "echo out; echo err >&2")
    assert (tmp_path / "work" / "o").read_text() == "out\nout\n"
    assert (tmp_path / "work" / "e").read_text() == "err\nerr\n"
    assert (tmp_path / "work" / "hpc_launcher_hostlist.txt").read_text().count(",") == 1


def test_launcher_dependency(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch --dependency``: after another job."""
    first = programs.ok("flux", "submit", "sleep", "1").strip()
    words = ("-N", "1", "-n", "1", "--dependency", f"afterok:{first}", "echo", "after")
    assert "after" in _launched(programs, tmp_path, *words).splitlines()


def test_launcher_setup(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch --setup-only``: a script that runs by the command that it names."""
    _launched(programs, tmp_path, "-N", "1", "-n", "1", "--setup-only", "-o", "job.sh", "hostname")
    script = (tmp_path / "work" / "job.sh").read_text()
    (command,) = re.findall("^# Launch command: (.*)$", script, re.M)
    assert programs.ok(*command.split(), cwd=tmp_path).strip()


def test_launcher_failing(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``launch``: the exit code of a program that fails."""
    start = ("launch", "--scheduler", "flux", "-N", "1", "-n", "1", "-l", tmp_path / "work", "--")
    assert programs.run(*start, "sh", "-c", "exit 3", cwd=tmp_path).returncode == 3


def _streamed(
    programs: Programs, folder: pathlib.Path, code: int
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of `scripts/streamflow`, whose first step ends with ``code``."""
    for name in ("flow.cwl", "streamflow.yml"):
        shutil.copy(SCRIPTS / "streamflow" / name, folder / name)
    (folder / "settings.yml").write_text(f"word: hello\ncode: {code}\n")
    return programs.run("streamflow", "run", folder / "streamflow.yml", cwd=folder)


def test_streamflow_steps(programs: Programs, tmp_path: pathlib.Path) -> None:
    """Steps in CWL as batch jobs, with options of a job."""
    done = _streamed(programs, tmp_path, 0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "lines.txt").read_text().startswith("2 ")
    listed = programs.ok("flux", "jobs", "-a", "-n", "-o", "{name} {nnodes} {urgency} {duration}")
    assert listed.splitlines().count("streamed 2 20 300.0") == 2, listed


def test_streamflow_failing(programs: Programs, tmp_path: pathlib.Path) -> None:
    """A step that fails ends the workflow."""
    done = _streamed(programs, tmp_path, 3)
    assert done.returncode != 0, done.stdout
    assert "FAILED Step /say" in done.stdout + done.stderr
    assert not (tmp_path / "lines.txt").exists()
