"""Options of ``flux dump`` and ``flux restore`` on how a running instance is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.option_types import Integer

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.archive.blobs import InstanceBlobs

REQUEST_OPTIONS: Final = (
    click.Option(
        ["--maxreqs"],
        type=Integer(1),
        metavar="N",
        help="Have no more than N requests under way at a time; 32 unless told.",
    ),
    click.Option(
        ["--no-cache"], is_flag=True, help="Ask the backing store, not the content cache."
    ),
)


def refuse_requests(maxreqs: int | None, no_cache: bool) -> None:
    """Raise CommandError if options are for requests: nobody is asked for a file."""
    for given, option in ((maxreqs is not None, "--maxreqs"), (no_cache, "--no-cache")):
        if given:
            raise CommandError(f"{option} is for an instance, and --store asks none")


def blobs_of(handle: Flux, maxreqs: int | None, no_cache: bool) -> InstanceBlobs:
    """Return the blobs of an instance; raises OSError."""
    from fluxctl.archive.blobs import AHEAD, InstanceBlobs

    return InstanceBlobs(handle, maxreqs or AHEAD, cached=not no_cache)


def name_what_is_left_out(key: str, why: OSError) -> None:
    """Tell on standard error that a key is left out, and why."""
    echo(f"{key}: {why.strerror}, left out", err=True)
