"""Where a Flux instance is: from a URI, a job id or a process to the URI of its broker."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from flux.constants import FLUX_JOB_STATE_INACTIVE
from fluxctl.errors import CommandError
from fluxctl.uri_forms import local_form, reachable, remote_form

if TYPE_CHECKING:
    from flux.core.handle import Flux

SCHEMES = ("local", "ssh")

PAUSE_LEAST = 0.05
PAUSE_MOST = 0.5
"""Seconds between two questions whether a job is an instance by now."""


def resolve(target: str, wait: bool = False) -> str:
    """Return the URI of the broker that ``target`` names.

    A target is a URI, a job id, several of them separated by slashes for nested instances,
    ``pid:N``, ``slurm:JOBID`` or ``lsf:JOBID``. ``?local`` or ``?remote`` after it gives the URI
    that form, as FLUX_URI_RESOLVE_LOCAL in the environment does the first. With ``wait``, jobs that
    are no instances yet are waited for.

    Raises CommandError if there is no such job or process, or it is no Flux instance.
    """
    place, mark, form = target.partition("?")
    if mark and form not in ("local", "remote"):
        raise CommandError(f"{target}: `{form}' is neither local nor remote")
    uri = _found(place, wait)
    if form == "local" or (not form and os.environ.get("FLUX_URI_RESOLVE_LOCAL")):
        return local_form(uri)
    return remote_form(uri) if form else uri


def _found(target: str, wait: bool) -> str:
    scheme, sep, rest = target.partition("://")
    if sep:
        if scheme not in SCHEMES:
            raise CommandError(f"{target}: no connector for the {scheme} scheme")
        return target
    kind, colon, rest = target.partition(":")
    if not colon:
        return _of_jobs(target, wait)
    if kind in ("jobid", "job"):
        return _of_jobs(rest, wait)
    if kind == "pid":
        from fluxctl.processes import uri_of_process

        return uri_of_process(rest)
    if kind in ("slurm", "lsf"):
        from fluxctl.foreign_jobs import uri_of_foreign_job

        return uri_of_foreign_job(kind, rest)
    if kind in ("slurm-node", "lsf-node"):
        return _on_this_node(kind.partition("-")[0], rest)
    raise CommandError(f"{target}: neither a job id nor a URI")


def _on_this_node(manager: str, jobid: str) -> str:
    """Return the URI of the instance in another manager's job, this being its first node: the half
    of the search that is done there.
    """
    from fluxctl.foreign_jobs import NOT_FOUND, VARIABLES
    from fluxctl.processes import uri_among

    uri = uri_among(VARIABLES[manager], jobid)
    if uri is None:
        raise CommandError(f"{manager}:{jobid}: no Flux instance is found in the job", NOT_FOUND)
    return uri


def _of_jobs(path: str, wait: bool) -> str:
    from flux.core.handle import Flux
    from fluxctl.command import handle

    uri: str | None = None
    for word in path.split("/"):
        jobid = _jobid(word, path)
        with Flux(reachable(uri)) if uri is not None else handle() as h:
            uri = _awaited(h, jobid, word) if wait else uri_of_job(h, jobid, word)
    assert uri is not None  # a path has one word at least
    return uri


def _jobid(word: str, path: str) -> int:
    from flux.job.JobID import id_parse

    try:
        return int(id_parse(word))
    except (ValueError, OSError):
        raise CommandError(f"{path}: neither a job id nor a URI") from None


def uri_of_job(h: Flux, jobid: int, name: str) -> str:
    """Return the URI of the instance that a job is; ``name`` is what messages call the job.

    Raises CommandError if there is no such job, or it is no instance or not ready yet.
    """
    uri, _ = _uri_and_state(h, jobid, name)
    if not uri:
        raise CommandError(f"{name}: the job is not a Flux instance, or it is not ready yet")
    return uri


def _awaited(h: Flux, jobid: int, name: str) -> str:
    """Return the URI of the instance that a job becomes, when it has.

    No message tells of that: annotations are news to those who follow all jobs only. Raises
    CommandError if the job ends before.
    """
    pause = PAUSE_LEAST
    while True:
        uri, state = _uri_and_state(h, jobid, name)
        if uri:
            return uri
        if state == FLUX_JOB_STATE_INACTIVE:
            raise CommandError(f"{name}: the job has ended, and was no Flux instance")
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_MOST)


def _uri_and_state(h: Flux, jobid: int, name: str) -> tuple[str | None, int]:
    try:
        answer = h.rpc("job-list.list-id", {"id": jobid, "attrs": ["annotations", "state"]}).get()
    except OSError:
        raise CommandError(f"{name}: no such job") from None
    job = (answer or {}).get("job") or {}
    uri = ((job.get("annotations") or {}).get("user") or {}).get("uri") or _stored(h, jobid)
    return (str(uri) if uri else None), int(job.get("state", 0))


def _stored(h: Flux, jobid: int) -> str | None:
    """Return what an instance has written into its job's directory of the KVS."""
    from flux import kvs_rpc
    from flux.job.JobID import kvs_key

    for name in ("remote_uri", "local_uri"):
        try:
            value = kvs_rpc.value_of(kvs_rpc.lookup(h, kvs_key(jobid, "guest", "flux", name)))
            return value.decode().strip('"\n')
        except (OSError, ValueError):
            continue
    return None
