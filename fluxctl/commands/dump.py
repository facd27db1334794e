"""``flux dump``: a KVS snapshot as an archive."""

from __future__ import annotations

import contextlib
import errno
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from flux.kvs_flags import PRIMARY, PRIMARY_CHECKPOINT
from fluxctl.archive.options import (
    REQUEST_OPTIONS,
    Progress,
    blobs_of,
    name_what_is_left_out,
    refuse_requests,
)
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.option_groups import with_options

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.archive.blobs import Blobs, Unread

DUMPED: Final = "flux-dump(1) has archived"


@click.command(cls=FluxCommand)
@click.option("-v", "--verbose", is_flag=True, help="Name each key on standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was dumped.")
@click.option("--checkpoint", is_flag=True, help="Dump the last checkpoint, not the current root.")
@click.option("--store", metavar="FILE", help="Dump the store FILE, which no instance uses.")
@with_options(REQUEST_OPTIONS)
@click.option(
    "--ignore-failed-read",
    is_flag=True,
    help="Name on standard error what cannot be read, and leave it out.",
)
@click.argument("outfile")
def command(
    verbose: bool,
    quiet: bool,
    checkpoint: bool,
    store: str | None,
    maxreqs: int | None,
    no_cache: bool,
    sd_notify: bool,
    ignore_failed_read: bool,
    outfile: str,
) -> None:
    """Write a snapshot of the primary KVS namespace to the archive OUTFILE.

    Each key becomes a file with its value, a symbolic link or an empty folder. The suffixes .tgz,
    .tar.gz, .tar.bz2 and .tar.xz compress; - is standard output. If this fails, nothing is left of
    OUTFILE.

    --store takes the file that content.backing-path named; one written by an older version is
    brought up to date first.
    """
    from fluxctl.archive.blobs import FileBlobs, checkpoint_root

    unread = name_what_is_left_out if ignore_failed_read else None
    if store is not None:
        refuse_requests(maxreqs, no_cache, sd_notify)
        with contextlib.closing(FileBlobs(Path(store))) as file:
            root = checkpoint_root(file.file.get_checkpoint(PRIMARY_CHECKPOINT))
            keys = _dump(file, root, outfile, Progress(None, DUMPED, verbose), unread)
    else:
        with handle() as h:
            blobs = blobs_of(h, maxreqs, no_cache)
            root = checkpoint_root(_checkpoint(h) if checkpoint else _current(h))
            progress = Progress(h if sd_notify else None, DUMPED, verbose)
            keys = _dump(blobs, root, outfile, progress, unread)
            progress.tell()
    if not quiet:
        echo(f"dumped {keys} keys of version {root[1]}", err=True)


def _checkpoint(h: Flux) -> object:
    body = {"key": PRIMARY_CHECKPOINT}
    value: object = h.rpc("kvs-checkpoint.get", body, nodeid=0).get()["value"]
    return value


def _current(h: Flux) -> object:
    """Return the current root, which the kvs module has been told to keep."""
    try:
        primary = h.rpc("kvs.collect-roots", {}, nodeid=0).get()["root"]
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        primary = h.rpc("kvs.getroot", {"namespace": PRIMARY, "flags": 0}, nodeid=0).get()
    return {"rootref": primary["rootref"], "sequence": primary["rootseq"]}


def _dump(
    blobs: Blobs, root: tuple[str, int], outfile: str, progress: Progress, unread: Unread | None
) -> int:
    from fluxctl.archive.dumping import Dump
    from fluxctl.archive.place import output, tar_to

    with output(outfile) as file, tar_to(file, outfile) as archive:
        dump = Dump(blobs, archive, time.time(), progress, unread)
        dump.write(*root)
        return dump.keys


EXAMPLES = """
# Write everything in the key-value store to an archive, and list it
flux dump backup.tgz
tar tzf backup.tgz
# Save what can be read where the store is damaged
flux dump --ignore-failed-read saved.tgz
# Look at one value without a file in between
flux dump -q - | tar xO resource/R
"""
