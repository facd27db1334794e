"""Programs that run jobs and tests for others: hpc-connect, canary, ensembles, agents, metrics."""

from __future__ import annotations

import shutil
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from tests.ecosystem.programs import SCRIPTS
from tests.system.watching import until

if TYPE_CHECKING:
    import pathlib

    from tests.ecosystem.programs import Programs

PROGRAM = {
    "connect": "hpc-connect",
    "canary": "canary-wm",
    "ensemble": "ensemble-python",
    "provider": "resource-secretary",
    "prometheus": "prometheus-flux",
}
HERE_FOR_SSH = '#!/bin/sh\nshift\nexec sh -c "$*"\n'
"""What stands for ssh where no machine takes connections: it runs the command on this one."""


def test_connect_topology(programs: Programs) -> None:
    """Nodes and cores, by both of its backends."""
    assert programs.finishes("connect_cases", "topology")


def test_connect_python(programs: Programs) -> None:
    """Backend ``flux``: jobs, callbacks, exit codes, environment, what is known of a job."""
    assert programs.finishes("connect_cases", "jobs_in_python")


def test_connect_commands(programs: Programs) -> None:
    """Backend ``flux.sh``: the same by commands."""
    assert programs.finishes("connect_cases", "jobs_by_commands")


def test_connect_launcher(programs: Programs) -> None:
    """The launcher of backend ``flux``."""
    assert programs.finishes("connect_cases", "launcher")


def _canary(programs: Programs, folder: pathlib.Path, *words: str) -> str:
    """Let canary run two tests that pass and one that fails; returns its output."""
    tests = folder / "tests"
    tests.mkdir()
    shutil.copy(SCRIPTS / "case_of_canary.pyt", tests / "well.pyt")
    (tests / "wrong.pyt").write_text("import sys\n\nif __name__ == '__main__':\n    sys.exit(1)\n")
    ssh = folder / "ssh"
    ssh.write_text(HERE_FOR_SSH)
    ssh.chmod(0o755)
    done = programs.run("canary", *words, tests, cwd=folder, FLUX_SSH=str(ssh), deadline=180)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def test_canary_flux(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``canary flux run``: tests as jobs in an allocation."""
    limits = ("--timeout", "queue=60", "--timeout", "allocation=900")
    said = _canary(programs, tmp_path, "flux", "run", *limits)
    assert "3 total: 2 pass, 1 failed" in said, said
    assert "Flux allocation closed" in said, said


def test_canary_batches(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``canary hpc run --backend=flux``: tests in batch jobs."""
    said = _canary(programs, tmp_path, "hpc", "run", "--backend=flux")
    assert "3 total: 2 pass, 1 failed" in said, said


def test_ensemble_rules(programs: Programs, tmp_path: pathlib.Path) -> None:
    """``ensemble run``: jobs submitted when others have succeeded, by the journal of events."""
    shutil.copy(SCRIPTS / "ensemble.yaml", tmp_path / "ensemble.yaml")
    said = programs.ok("ensemble", "run", tmp_path / "ensemble.yaml", cwd=tmp_path, deadline=60)
    for line in ("submit first", "trigger count.first.success", "submit second", "terminate"):
        assert line in said, said


def test_provider_detect(programs: Programs) -> None:
    """``resource-secretary detect``: finds Flux."""
    said = programs.ok("resource-secretary", "detect", "workload")
    assert '"system_type": "flux"' in said, said
    assert '"total_nodes": 2' in said, said


def test_provider_jobs(programs: Programs) -> None:
    """Tools: submit, information, output."""
    assert programs.finishes("secretary_cases", "jobs")


def test_provider_options(programs: Programs) -> None:
    """Tools: limit and working directory of a job."""
    assert programs.finishes("secretary_cases", "options")


def test_provider_cancel(programs: Programs) -> None:
    """Tools: cancel."""
    assert programs.finishes("secretary_cases", "cancel")


def test_prometheus_metrics(programs: Programs) -> None:
    """``prometheus-flux start``: metrics of nodes, cores and jobs."""
    programs.ok("flux", "run", "true")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("prometheus-flux", "start", "--host", "127.0.0.1", "--port", str(port))

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics/", timeout=30) as said:
                return str(said.read().decode())
        except urllib.error.URLError:
            return ""

    with programs.started(*words):
        until(lambda: bool(metrics()))
        said = metrics()
    assert 'flux_node_counts{state="up"} 2.0' in said, said
    assert 'flux_queue_state_counts{state="INACTIVE"}' in said, said
