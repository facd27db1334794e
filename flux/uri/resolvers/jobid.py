"""``jobid:ID``, the instance that a job is.

Ids separated by slashes name an instance in an instance; ``/`` in front is the outermost instance,
``..`` the one that an instance is in, ``.`` the instance itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flux.constants import FLUX_JOB_STATE_INACTIVE
from flux.core.attributes import attribute_of
from flux.uri.errors import UnresolvedURI
from flux.uri.forms import reachable
from flux.uri.uri import JobURI, URIResolverPlugin, URIResolverURI

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux

PAUSE_LEAST = 0.05
PAUSE_MOST = 0.5
"""Seconds between two questions whether a job is an instance by now."""


class JobInstanceFinder(URIResolverPlugin):
    """Finds the instance that a job is."""

    def describe(self) -> str:
        """Return what the plugin finds, in a line."""
        return "Get URI for a given Flux JOBID"

    def resolve(self, uri: URIResolverURI) -> JobURI:
        """Return the instance of a job, which ``?wait`` waits for; ValueError if there is none."""
        return JobURI(uri_of_path(uri.path, "wait" in uri.query_dict))


def uri_of_path(path: str, wait: bool = False, connect: Callable[[], Flux] | None = None) -> str:
    """Return the URI of the instance that a path of job ids leads to, from the instance that
    ``connect`` reaches, by default that of the environment.

    With ``wait``, jobs that are no instances yet are waited for. Raises UnresolvedURI if there is
    no such job, or it is no instance; OSError if a broker does not answer.
    """
    from flux.core.handle import Flux

    words = [(word, _jobid(word, path)) for word in path.split("/") if word]
    if not path:
        raise UnresolvedURI("neither a job id nor a URI")
    uri: str | None = None
    if not words or path.startswith("/"):
        with (connect or Flux)() as h:
            uri = _root(h)
    for word, jobid in words:
        with Flux(reachable(uri)) if uri is not None else (connect or Flux)() as h:
            uri = _step(h, word, jobid, wait)
    assert uri is not None  # either is done
    return uri


def _step(h: Flux, word: str, jobid: int | None, wait: bool) -> str:
    if jobid is not None:
        return _awaited(h, jobid, word) if wait else uri_of_job(h, jobid, word)
    return (attribute_of(h, "parent-uri") if word == ".." else None) or _own(h)


def _own(h: Flux) -> str:
    return attribute_of(h, "local-uri") or h.url


def _root(h: Flux) -> str:
    """Return the URI of the instance that all others are in."""
    from flux.core.handle import Flux

    uri = _own(h)
    parent = attribute_of(h, "parent-uri")
    while parent is not None:
        uri = parent
        with Flux(reachable(uri)) as above:
            parent = attribute_of(above, "parent-uri")
    return uri


def _jobid(word: str, path: str) -> int | None:
    """Return the job id that a word of a path is, None for the words ``.`` and ``..``."""
    from flux.job.JobID import id_parse

    if word in (".", ".."):
        return None
    try:
        return int(id_parse(word))
    except (ValueError, OSError):
        raise UnresolvedURI(f"{path}: neither a job id nor a URI") from None


def uri_of_job(h: Flux, jobid: int, name: str) -> str:
    """Return the URI of the instance that a job is; ``name`` is what messages call the job.

    Raises UnresolvedURI if there is no such job, or it is no instance or not ready yet.
    """
    uri, _ = _uri_and_state(h, jobid, name)
    if not uri:
        raise UnresolvedURI(f"{name}: the job is not a Flux instance, or it is not ready yet")
    return uri


def _awaited(h: Flux, jobid: int, name: str) -> str:
    """Return the URI of the instance that a job becomes, when it has.

    No message tells of that: annotations are news to those who follow all jobs only. Raises
    UnresolvedURI if the job ends before.
    """
    pause = PAUSE_LEAST
    while True:
        uri, state = _uri_and_state(h, jobid, name)
        if uri:
            return uri
        if state == FLUX_JOB_STATE_INACTIVE:
            raise UnresolvedURI(f"{name}: the job has ended, and was no Flux instance")
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_MOST)


def _uri_and_state(h: Flux, jobid: int, name: str) -> tuple[str | None, int]:
    try:
        answer = h.rpc("job-list.list-id", {"id": jobid, "attrs": ["annotations", "state"]}).get()
    except OSError:
        raise UnresolvedURI(f"{name}: no such job") from None
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


URIResolver = JobInstanceFinder
