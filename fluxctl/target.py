"""Where a Flux instance is: from a URI, a job id or a process to the URI of its broker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from flux.core.handle import Flux

SCHEMES = ("local", "ssh")


def host_name() -> str:
    """Return how this host is called in a URI."""
    return os.uname().nodename


def local_form(uri: str) -> str:
    """Return ``local://PATH`` for any URI of a broker."""
    from urllib.parse import urlsplit

    return f"local://{urlsplit(uri).path}"


def remote_form(uri: str) -> str:
    """Return ``ssh://HOST/PATH`` for a URI of a broker, this host's if it is local."""
    return f"ssh://{host_name()}{uri.removeprefix('local://')}" if uri.startswith("local") else uri


def reachable(uri: str) -> str:
    """Return the local form of an ``ssh://`` URI that names this host, others as they are."""
    from urllib.parse import urlsplit

    parts = urlsplit(uri)
    here = (host_name().lower(), "localhost")
    if parts.scheme == "ssh" and parts.hostname in here and parts.port is None:
        return local_form(uri)
    return uri


def resolve(target: str) -> str:
    """Return the URI of the broker that ``target`` names.

    A target is a URI, a job id, several of them separated by slashes for nested instances, or
    ``pid:N``. Raises CommandError if there is no such job or process, or it is no Flux instance.
    """
    scheme, sep, rest = target.partition("://")
    if sep:
        if scheme not in SCHEMES:
            raise CommandError(f"{target}: no connector for the {scheme} scheme")
        return target
    kind, colon, rest = target.partition(":")
    if colon and kind == "pid":
        return _of_process(rest)
    if colon and kind not in ("jobid", "job"):
        raise CommandError(f"{target}: neither a job id nor a URI")
    return _of_jobs(rest if colon else target)


def _of_jobs(path: str) -> str:
    from flux.core.handle import Flux
    from fluxctl.command import handle

    uri: str | None = None
    for word in path.split("/"):
        jobid = _jobid(word, path)
        with Flux(reachable(uri)) if uri is not None else handle() as h:
            uri = uri_of_job(h, jobid, word)
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
    try:
        answer = h.rpc("job-list.list-id", {"id": jobid, "attrs": ["annotations", "state"]}).get()
    except OSError:
        raise CommandError(f"{name}: no such job") from None
    annotations = ((answer or {}).get("job") or {}).get("annotations") or {}
    uri = (annotations.get("user") or {}).get("uri") or _stored(h, jobid)
    if not uri:
        raise CommandError(f"{name}: the job is not a Flux instance, or it is not ready yet")
    return str(uri)


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


def _of_process(text: str) -> str:
    if not (text.isascii() and text.isdecimal()):
        raise CommandError(f"pid:{text}: not a process id")
    pid = int(text)
    for candidate in (*_children(pid), pid):
        uri = _environment_uri(candidate)
        if uri:
            return uri
    raise CommandError(f"pid:{text}: no FLUX_URI found in the environment of the process")


def _children(pid: int) -> list[int]:
    """Return the children of a process that is a broker: its own FLUX_URI is that of its parent."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if not {b"broker", b"start"} & set(words[:4]):
            return []
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _environment_uri(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError as exc:
        raise CommandError(f"pid:{pid}: {exc.strerror}") from None
    found = (entry.removeprefix(b"FLUX_URI=") for entry in entries if entry[:9] == b"FLUX_URI=")
    return next((os.fsdecode(value) for value in found if value), None)
