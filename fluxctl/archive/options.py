"""Options of ``flux dump`` and ``flux restore`` on how a running instance is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from flux.constants import FLUX_RPC_NORESPONSE
from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.option_types import Integer

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.archive.blobs import InstanceBlobs

SD_NOTIFY: Final = "state-machine.sd-notify"
EACH: Final = 10
TOLD_EVERY: Final = 0.5
"""Seconds between two words of the progress."""

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
    click.Option(
        ["--sd-notify"], is_flag=True, help="Have the broker tell systemd how far this is."
    ),
)


def refuse_requests(maxreqs: int | None, no_cache: bool, sd_notify: bool) -> None:
    """Raise CommandError if options are for requests: nobody is asked for a file."""
    for given, option in (
        (maxreqs is not None, "--maxreqs"),
        (no_cache, "--no-cache"),
        (sd_notify, "--sd-notify"),
    ):
        if given:
            raise CommandError(f"{option} is for an instance, and --store asks none")


def blobs_of(handle: Flux, maxreqs: int | None, no_cache: bool) -> InstanceBlobs:
    """Return the blobs of an instance; raises OSError."""
    from fluxctl.archive.blobs import AHEAD, InstanceBlobs

    return InstanceBlobs(handle, maxreqs or AHEAD, cached=not no_cache)


def name_what_is_left_out(key: str, why: OSError) -> None:
    """Tell on standard error that a key is left out, and why."""
    echo(f"{key}: {why.strerror}, left out", err=True)


class Progress:
    """Names keys on standard error if ``verbose``, and tells the broker of ``handle``, for systemd,
    how many ``what`` has had; each of the first, then two a second.
    """

    def __init__(self, handle: Flux | None, what: str, verbose: bool) -> None:
        self._handle = handle
        self._what = what
        self._verbose = verbose
        self._keys = 0
        self._told = 0.0

    def __call__(self, key: str) -> None:
        """A key is done."""
        if self._verbose:
            echo(key, err=True)
        self._keys += 1
        if self._handle is not None:
            now = time.monotonic()
            if self._keys < EACH or now >= self._told + TOLD_EVERY:
                self._told = now
                self.tell()

    def tell(self) -> None:
        """Tell how many there are so far."""
        if self._handle is not None:
            status = f"{self._what} {self._keys} keys"
            self._handle.rpc(SD_NOTIFY, {"status": status}, flags=FLUX_RPC_NORESPONSE)
