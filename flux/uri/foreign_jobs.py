"""Instances in jobs of other resource managers: ``slurm:JOBID`` and ``lsf:JOBID`` (flux-uri(1)).

Slurm or LSF tells on which node the job began. There, the oldest broker that has the job's id in
its environment is the one, and its own programs tell its URI.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

from flux.uri.errors import UnresolvedURI

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLES = {"slurm": "SLURM_JOB_ID", "lsf": "LSB_JOBID"}
"""What a manager calls a job's id in the environment of its processes."""

_JOBID = re.compile(r"[0-9]{1,18}", re.ASCII)
_LSF_HOST = re.compile(r"(?:[0-9]+\*)?([^\s:*]+)")
NOT_FOUND = 3
"""Exit code of the search on another node when there is no instance in the job."""


def uri_of_foreign_job(manager: str, jobid: str) -> str:
    """Return the URI of the instance in a job of Slurm or LSF.

    Raises UnresolvedURI if the manager is not there or does not know the job, if that does not run,
    or if no instance is found in it.
    """
    from flux.uri.forms import host_name, remote_form
    from flux.uri.processes import uri_among

    name = f"{manager}:{jobid}"
    if not _JOBID.fullmatch(jobid):
        raise UnresolvedURI(f"{name}: {jobid!r} is not a job id")
    node = _slurm_node(name, jobid) if manager == "slurm" else _lsf_node(name, jobid)
    if node.partition(".")[0] == host_name().partition(".")[0]:
        uri = uri_among(VARIABLES[manager], jobid)
        uri = uri and remote_form(uri)
    else:
        uri = _search(name, _elsewhere(manager, jobid, node))
    if not uri:
        raise UnresolvedURI(f"{name}: no Flux instance is found in the job, or it is not ready yet")
    return uri


def _slurm_node(name: str, jobid: str) -> str:
    """Return the first node of a job of Slurm."""
    from flux.hostlist import Hostlist

    line = _output(name, ["squeue", "--noheader", f"--jobs={jobid}", "--format=%T %N"])
    state, _, nodes = line.partition(" ")
    if not state:
        raise UnresolvedURI(f"{name}: the job has ended, or there is no such job")
    if state != "RUNNING" or not nodes:
        raise UnresolvedURI(f"{name}: the job does not run, it is {state}")
    return Hostlist(nodes)[0]


def _lsf_node(name: str, jobid: str) -> str:
    """Return the first node of a job of LSF."""
    line = _output(name, ["bjobs", "-noheader", "-o", "stat exec_host", jobid])
    state, _, hosts = line.partition(" ")
    match = _LSF_HOST.match(hosts.strip())
    if state != "RUN" or match is None:
        raise UnresolvedURI(f"{name}: the job does not run, it is {state or 'unknown'}")
    return match[1]


def _elsewhere(manager: str, jobid: str, node: str) -> list[str]:
    """Return the command that searches a node of the job."""
    flux = os.environ.get("FLUX_SSH_RCMD") or "flux"
    words = [*shlex.split(flux), "uri", "--remote", f"{manager}-node:{jobid}"]
    if manager == "lsf":
        from flux.connect.ssh import client

        return [*client(), node, *words]
    step = ["srun", "--quiet", "--overlap", f"--jobid={jobid}", f"--nodelist={node}", "-N1", "-n1"]
    return [*step, *words]


def _environment() -> dict[str, str]:
    """Return our environment without the instance we are in: it is not the one looked for."""
    return {name: text for name, text in os.environ.items() if not name.startswith("FLUX_URI")}


def _run(name: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise UnresolvedURI(f"{name}: {argv[0]}: {exc.strerror}") from None


def _output(name: str, argv: Sequence[str]) -> str:
    """Return the first line that a command of the manager prints."""
    done = _run(name, argv)
    errors = done.stderr.strip().splitlines()
    if done.returncode:
        raise UnresolvedURI(f"{name}: {errors[-1] if errors else f'{argv[0]} failed'}")
    lines = done.stdout.strip().splitlines()
    if not lines and errors:
        raise UnresolvedURI(f"{name}: {errors[-1]}")
    return lines[0].strip() if lines else ""


def _search(name: str, argv: Sequence[str]) -> str | None:
    """Return the URI that a search on another node finds, None if there is none there."""
    done = _run(name, argv)
    if done.returncode == 0 and done.stdout.strip():
        return done.stdout.split()[-1]
    if done.returncode == NOT_FOUND:
        return None
    errors = done.stderr.strip().splitlines()
    raise UnresolvedURI(f"{name}: {errors[-1] if errors else f'{argv[0]} failed'}")
