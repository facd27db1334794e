"""A Slurm of one machine for tests: munged, slurmctld and slurmd, in a directory of their own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING

from tests.system.watching import ending, free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONFIGURATION = """
ClusterName=fluxctl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
"""
ONE_MACHINE = """
SelectType=select/linear
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


def missing() -> str:
    """Why there can be no Slurm here; empty if there can."""
    if os.getuid() != 0:
        return "slurmctld, slurmd and munged are run as root"
    for program in ("munged", "slurmctld", "slurmd", "srun", "sinfo"):
        if _found(program) is None:
            return f"{program} is not installed (Debian: slurm-wlm, munge, libpmi0)"
    return ""


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextlib.contextmanager
def running_slurm(
    *,
    machine: str = ONE_MACHINE,
    more: str = "",
    files: Mapping[str, str] | None = None,
    features: str = "",
    runs: bool = True,
) -> Iterator[dict[str, str]]:
    """Run the daemons; gives the environment in which ``srun`` finds them.

    ``machine`` is the end of the configuration: nodes, partitions and whatever else is to be set;
    ``more`` is appended to it, ``files`` are put beside it, by their names. ``features`` is what
    else the node is said to have, such as ``Gres=gpu:2``. Jobs only wait unless it ``runs``.
    """
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for part in ("state", "spool"):
            (folder / part).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        host = socket.gethostname()
        text = (CONFIGURATION + machine).format(
            host=host, folder=folder, controller=free_port(), daemon=free_port()
        )
        text = text.replace(" State=UNKNOWN", f" {features} State=UNKNOWN")
        (folder / "slurm.conf").write_text(f"{text}{more}")
        for file, content in (files or {}).items():
            (folder / file).write_text(content)
        environment = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf"}
        munge = [
            *("munged", "--foreground", "--force", f"--key-file={key}"),
            *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid"),
            *(f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"),
        ]
        daemons = [munge, ["slurmctld", "-D"]]
        if runs:
            daemons.append(["slurmd", "-D", "-N", host])
        with contextlib.ExitStack() as stack:
            for argv in daemons:
                stack.enter_context(_daemon(argv, environment, folder))
            _await_answer(environment, folder, "idle" if runs else "")
            yield environment


@contextlib.contextmanager
def _daemon(argv: list[str], environment: dict[str, str], folder: pathlib.Path) -> Iterator[None]:
    program = _found(argv[0]) or argv[0]
    with (folder / f"{argv[0]}.out").open("wb") as output:
        daemon = subprocess.Popen(
            [program, *argv[1:]], env=environment, stdout=output, stderr=output
        )
    with ending(daemon) as process:
        if argv[0] == "munged":  # the others need its socket at once
            _until(lambda: (folder / "munge.socket").exists(), folder)
        yield
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)


def _await_answer(environment: dict[str, str], folder: pathlib.Path, state: str) -> None:
    """Wait until the controller answers, and all nodes are in a ``state``, if one is given."""

    def answers() -> bool:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%T"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0 and state in ("", done.stdout.strip())

    _until(answers, folder)


def _until(condition: Callable[[], bool], folder: pathlib.Path) -> None:
    try:
        until(condition)
    except AssertionError:
        logs = "".join(path.read_text("utf-8", "replace") for path in folder.glob("*.log"))
        raise RuntimeError(f"Slurm did not come up:\n{logs}") from None
