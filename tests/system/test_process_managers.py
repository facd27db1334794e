"""Instances that other programs start: MPICH's mpirun and Slurm's srun, by PMI-1 in each form."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux
from tests.system.slurm import missing, running_slurm
from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

SCRIPT = """
flux getattr size
flux mini run -N{size} -n{size} flux getattr rank | sort
flux exec sh -c 'echo $(flux getattr rank) ${{PMI_FD-none}} ${{SLURM_STEP_ID-none}}' | sort
flux exec sh -c 'echo ${{PMI_PORT-none}} ${{PMI_ID-none}}' | sort -u
flux start flux getattr size
"""


def expected(size: int) -> str:
    ranks = range(size)
    lines = [str(size), *map(str, ranks), *(f"{rank} none none" for rank in ranks)]
    return "\n".join([*lines, "none none", "1", ""])


def run(argv: list[str], environment: dict[str, str], tmp_path: pathlib.Path) -> str:
    """What ``flux start`` prints under a process manager's launcher."""
    clean = {name: text for name, text in environment.items() if not name.startswith("FLUX_")}
    folder = default_flux().parent
    done = subprocess.run(
        [*argv, str(default_flux()), "start", "sh", "-c", SCRIPT.format(size=4)],
        env=clean | {"PATH": f"{folder}:{clean['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hydra() -> str | None:
    """MPICH's launcher, None without it."""
    for name in ("mpirun.mpich", "mpiexec.hydra", "mpirun"):
        path = shutil.which(name)
        if path is not None:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=60, check=False
            )
            if "HYDRA" in done.stdout:
                return path
    return None


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with a blank in its name, where sockets have short paths."""
    return tmp_path_factory.mktemp("a b")


@pytest.mark.parametrize("form", ["descriptor", "port"])
def test_mpirun(folder: pathlib.Path, form: str) -> None:
    launcher = hydra()
    if launcher is None:
        pytest.skip("MPICH's mpirun is not installed (Debian: mpich)")
    options = ["-pmi-port"] if form == "port" else []
    assert run([launcher, *options, "-n", "4"], dict(os.environ), folder) == expected(4)


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    with running_slurm() as environment:
        yield environment


@pytest.mark.parametrize("form", ["library", "wire"])
def test_srun(slurm: dict[str, str], folder: pathlib.Path, form: str) -> None:
    options = ["--mpi=pmi2"] if form == "wire" else ["--mpi=none"]
    argv = ["srun", "-n4", *options]
    assert run(argv, slurm, folder) == expected(4)


def test_srun_with_a_terminal_runs_a_shell(slurm: dict[str, str], folder: pathlib.Path) -> None:
    ours, theirs = os.openpty()
    environment = {
        **slurm,
        "PATH": f"{default_flux().parent}:{slurm['PATH']}",
        "PS1": "",
        "HOME": "",
    }
    step = subprocess.Popen(
        ["srun", "-N1", "-n4", "--pty", default_flux(), "start"],
        env=environment | {"TMPDIR": str(folder), "TERM": "dumb", "SHELL": "/bin/sh"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with ending(step) as process:
        with contextlib.suppress(OSError):  # the end of a terminal is EIO
            while b"size 4" not in shown:
                # Again, for srun throws away what is typed before it has set the terminal.
                os.write(ours, b"echo size $(flux getattr size) tty $(tty -s; echo $?); exit 3\n")
                while select.select([ours], [], [], 5)[0] and (data := os.read(ours, 1 << 16)):
                    shown += data
        assert process.wait(PATIENCE) == 3
    os.close(ours)
    assert b"size 4 tty 0\r\n" in shown


def test_a_lost_task_of_a_step_is_named(slurm: dict[str, str], folder: pathlib.Path) -> None:
    rc1 = '-o,-Sbroker.rc1_path=test "$(flux getattr rank)" != 2'
    done = subprocess.run(
        ["srun", "-N1", "-n4", default_flux(), "start", rc1, "true"],
        env={**slurm, "PATH": f"{default_flux().parent}:{slurm['PATH']}", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "rank 2 of broker.quorum was lost before the instance ran" in done.stderr


def test_one_task_is_an_instance_of_its_own(slurm: dict[str, str], folder: pathlib.Path) -> None:
    done = subprocess.run(
        ["srun", "-n1", default_flux(), "start", "flux", "getattr", "size"],
        env={**slurm, "PATH": f"{default_flux().parent}:{slurm['PATH']}", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_step_without_slurms_library(tmp_path: pathlib.Path) -> None:
    step = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}
    done = subprocess.run(
        [default_flux(), "start", "true"],
        env={**os.environ, **step, "PMI_LIBRARY": "/nosuch/libpmi.so", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "/nosuch/libpmi.so cannot be loaded: install Slurm's PMI library" in done.stderr
