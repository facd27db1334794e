"""Small programs around Flux."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pathlib

    from tests.ecosystem.programs import Programs

PROGRAM = {
    "hierarchy": "flux-hierarchy",
    "fluxterm": "fluxterm",
    "secretary": "flux-secretary",
    "metrics": "flux-metrics-api",
    "machine": "state-machine-operator",
    "burst": "flux-burst",
    "bind": "fluxbind",
    "grpc": "fluxgrpc",
    "quantum": "flux-quantum",
    "schedbench": "flux-schedbench",
}


def test_hierarchy_bulk(programs: Programs) -> None:
    """``BulkRun``: jobs by callbacks, with a progress bar."""
    assert programs.finishes("small_cases", "hierarchy_bulk")


def test_hierarchy_jobspec(programs: Programs) -> None:
    """``get_jobspec_from_dry_run``: a jobspec of ``flux submit``."""
    assert programs.finishes("small_cases", "hierarchy_jobspec")


def test_fluxterm_start(programs: Programs) -> None:
    """Its first screen."""
    assert programs.finishes("small_cases", "term_start")


def test_fluxterm_fortune(programs: Programs) -> None:
    """The help screen with a fortune."""
    assert programs.finishes("small_cases", "term_fortune")


@pytest.mark.own_fault("asks jobs for fields that they need not have: KeyError")
def test_fluxterm_jobs(programs: Programs) -> None:
    """The screen of jobs."""
    said = programs.failing("small_cases", "term_jobs")
    assert re.search(r"^KeyError: '(userid|cwd|expiration)'$", said, re.M), said


def test_secretary_resources(programs: Programs) -> None:
    """What an allocation has."""
    assert programs.finishes("small_cases", "secretary_resources")


def test_secretary_job(programs: Programs) -> None:
    """Submit, wait, output."""
    assert programs.finishes("small_cases", "secretary_job")


def test_secretary_command(programs: Programs) -> None:
    """``flux-secretary run --deterministic``: layouts until one runs."""
    words = ("flux-secretary", "run", "--nodes", "1", "--deterministic", "--", "echo", "hello")
    said = programs.ok(*words)
    (line,) = (line for line in said.splitlines() if line.startswith("FLUXSEC json"))
    result = json.loads(line.removeprefix("FLUXSEC json"))
    assert (result["status"], result["attempts"][-1]["stdout"]) == ("ok", "hello\n")


def test_metrics_resources(programs: Programs) -> None:
    """Metrics of nodes and cores."""
    assert programs.finishes("small_cases", "metrics")


def test_metrics_queue(programs: Programs) -> None:
    """Metrics of jobs by state."""
    assert programs.finishes("small_cases", "metrics_queue")


def test_machine_jobs(programs: Programs) -> None:
    """Job information, list, its reading of jobs."""
    assert programs.finishes("small_cases", "machine_jobs")


def test_machine_events(programs: Programs) -> None:
    """Events of the journal of jobs."""
    assert programs.finishes("small_cases", "machine_events")


def test_burst_jobs(programs: Programs) -> None:
    """Job list and information."""
    assert programs.finishes("small_cases", "burst_jobs")


def test_burst_selection(programs: Programs) -> None:
    """Selection of jobs to burst, ``run_burst``."""
    assert programs.finishes("small_cases", "burst_run")


@pytest.mark.own_fault("its script asks for a shape file that it has not made")
def test_bind_run(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``fluxbind run``: starts tasks with affinity and environment."""
    words = ("fluxbind", "run", "-N", "1", "-n", "2", "-c", "1", "--cpu-affinity", "per-task")
    done = programs.run(*words, "--env", "WORD=more", "printenv", "WORD", cwd=tmp_path)
    assert "flux run -N 1 -n 2" in done.stdout, done.stdout + done.stderr
    said = done.stdout.count("JOB_SHAPE_FILE is not set")
    assert said == 2, done.stdout + done.stderr


@pytest.mark.own_fault("uses a name that it does not define: NameError, report_mapping")
def test_bind_jobspec(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``fluxbind run --jobspec``."""
    spec = tmp_path / "jobspec.json"
    spec.write_text(programs.ok("flux", "submit", "--dry-run", "hostname"))
    done = programs.run("fluxbind", "run", "--jobspec", spec, cwd=tmp_path)
    assert "name 'report_mapping' is not defined" in done.stdout + done.stderr


def test_grpc_jobspec(programs: Programs) -> None:
    """The jobspec that its client makes as ``flux submit`` does."""
    assert programs.finishes("small_cases", "grpc_jobspec")


@pytest.mark.own_fault("its server calls the method otherwise than its client: UNIMPLEMENTED")
def test_grpc_submit(programs: Programs) -> None:
    """Submit to its server."""
    assert "StatusCode.UNIMPLEMENTED" in programs.case("small_cases", "grpc_submit")


def test_quantum_plugin(programs: Programs) -> None:
    """Its plugin for submission commands is one of Flux."""
    assert programs.finishes("small_cases", "quantum_plugin")


def test_quantum_options(programs: Programs) -> None:
    """Its options among those of ``flux submit``."""
    assert programs.finishes("small_cases", "quantum_submit")


def test_schedbench_import(programs: Programs) -> None:
    """``flux.schedbench``, a package within the package ``flux``."""
    assert programs.finishes("small_cases", "schedbench_import")


def test_schedbench_command(programs: Programs) -> None:
    """``flux schedbench``, a command found in PATH."""
    assert "usage" in programs.case("small_cases", "schedbench_help").lower()


def test_schedbench_run(programs: Programs) -> None:
    """A benchmark on resources that there are not."""
    assert programs.finishes("small_cases", "schedbench_run")


def test_schedbench_exec(programs: Programs) -> None:
    """A benchmark on the resources that there are."""
    assert programs.finishes("small_cases", "schedbench_exec")
