"""Where a Flux instance is: from a URI, a job id or a process to the URI of its broker."""

from __future__ import annotations

import os

from flux.uri.errors import UnresolvedURI
from flux.uri.forms import local_form, remote_form
from fluxctl.errors import CommandError

SCHEMES = ("local", "ssh")


def resolve(target: str, wait: bool = False) -> str:
    """Return the URI of the broker that ``target`` names.

    A target is a URI, a job id, several of them separated by slashes for nested instances, ``/``
    for the outermost instance, ``..`` for the one that this one is in, ``pid:N``, ``slurm:JOBID``
    or ``lsf:JOBID``, or of the scheme of a plugin (`flux.uri.FluxURIResolver`). ``?local`` or
    ``?remote`` after it gives the URI that form, as FLUX_URI_RESOLVE_LOCAL in the environment does
    the first. With ``wait``, jobs that are no instances yet are waited for.

    Raises CommandError if there is no such job or process, or it is no Flux instance.
    """
    place, mark, form = target.partition("?")
    if mark and form not in ("local", "remote"):
        raise CommandError(f"{target}: `{form}' is neither local nor remote")
    try:
        uri = _found(place, wait)
    except UnresolvedURI as exc:
        raise CommandError(str(exc), exc.code) from None
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
    if not colon or kind in ("jobid", "job"):
        from flux.uri.resolvers.jobid import uri_of_path
        from fluxctl.command import handle

        return uri_of_path(rest if colon else target, wait, handle)
    if kind in ("slurm-node", "lsf-node"):
        return _on_this_node(kind.partition("-")[0], rest)
    return _by_plugin(target)


def _by_plugin(target: str) -> str:
    from flux.uri.uri import FluxURIResolver

    try:
        return FluxURIResolver().resolve(target).uri
    except NotImplementedError:
        raise CommandError(f"{target}: neither a job id nor a URI") from None
    except UnresolvedURI:
        raise
    except ValueError as exc:
        raise CommandError(f"{target}: {exc}") from None


def _on_this_node(manager: str, jobid: str) -> str:
    """Return the URI of the instance in another manager's job, this being its first node: the half
    of the search that is done there.
    """
    from flux.uri.foreign_jobs import NOT_FOUND, VARIABLES
    from flux.uri.processes import uri_among

    uri = uri_among(VARIABLES[manager], jobid)
    if uri is None:
        raise CommandError(f"{manager}:{jobid}: no Flux instance is found in the job", NOT_FOUND)
    return uri
