"""``flux restore``: an archive back into a key-value store."""

from __future__ import annotations

import errno
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from flux.kvs_flags import PRIMARY_CHECKPOINT
from fluxctl.archive.options import (
    REQUEST_OPTIONS,
    Progress,
    blobs_of,
    name_what_is_left_out,
    refuse_requests,
)
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.completions import kvs_keys
from fluxctl.errors import CommandError
from fluxctl.option_groups import with_options
from fluxctl.option_types import Integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.wire.json import JsonObject
    from fluxctl.archive.blobs import Blobs
    from fluxctl.archive.restoring import Restore

    Read = Callable[[Blobs], tuple[str, Restore]]

RESTORED: Final = "flux-restore(1) has restored"


@click.command(cls=FluxCommand)
@click.option("-v", "--verbose", is_flag=True, help="Name each key on standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was restored.")
@click.option(
    "--checkpoint", is_flag=True, help="Make the archive the checkpoint that a restart begins with."
)
@click.option(
    "--key",
    metavar="NAME",
    help="Put what is in the archive below the key NAME.",
    shell_complete=kvs_keys,
)
@click.option("--store", metavar="FILE", help="Make the new store FILE, for content.backing-path.")
@with_options(REQUEST_OPTIONS)
@click.option(
    "--size-limit",
    type=Integer(0),
    metavar="BYTES",
    help="Name on standard error values of more bytes, and leave them out.",
)
@click.argument("infile")
def command(
    verbose: bool,
    quiet: bool,
    checkpoint: bool,
    key: str | None,
    store: str | None,
    maxreqs: int | None,
    no_cache: bool,
    sd_notify: bool,
    size_limit: int | None,
    infile: str,
) -> None:
    """Read the archive INFILE, written by flux dump, back into a key-value store; - is standard
    input.

    One of --key, --checkpoint and --store says where to. --key replaces what is there. --checkpoint
    needs an instance with a backing store, but without the kvs module. Either all of the archive is
    restored or nothing.
    """
    if [checkpoint, key is not None, store is not None].count(True) != 1:
        raise CommandError("one of --key, --checkpoint and --store is needed")

    def read(blobs: Blobs, told: Flux | None = None) -> tuple[str, Restore]:
        from fluxctl.archive.place import source
        from fluxctl.archive.restoring import Restore

        progress = Progress(told, RESTORED, verbose)
        restore = Restore(blobs, progress, size_limit, name_what_is_left_out)
        with source(infile) as file:
            root = restore.read(file, infile)
        progress.tell()
        return root, restore

    if store is not None:
        refuse_requests(maxreqs, no_cache, sd_notify)
        restored = _to_file(Path(store), read)
    else:
        with handle() as h:
            if key is None:
                _refuse_kvs(h)
            reading = partial(read, told=h if sd_notify else None)
            restored = _to_instance(h, key, reading, blobs_of(h, maxreqs, no_cache))
    if not quiet:
        echo(f"restored {restored.keys} keys", err=True)


def _value(root: str, restore: Restore) -> JsonObject:
    return {"version": 1, "rootref": root, "sequence": restore.sequence, "timestamp": time.time()}


def _to_file(path: Path, read: Read) -> Restore:
    from fluxctl.archive.blobs import FileBlobs

    file = FileBlobs(path, create=True)
    try:
        root, restore = read(file)
        file.file.put_checkpoint(PRIMARY_CHECKPOINT, _value(root, restore), sync=True)
    except BaseException:
        file.discard()
        raise
    file.close()
    return restore


def _to_instance(h: Flux, key: str | None, read: Read, blobs: Blobs) -> Restore:
    from flux.kvs_txn import PRIMARY, SYNC, Txn
    from flux.treeobj import dirref

    root, restore = read(blobs)
    if key is None:
        h.rpc("content.flush", {}, nodeid=0).get()
        body = {"key": PRIMARY_CHECKPOINT, "value": _value(root, restore), "sync": True}
        h.rpc("kvs-checkpoint.put", body, nodeid=0).get()
        return restore
    txn = Txn().put_treeobj(key, dirref(root))
    body = {"namespace": PRIMARY, "flags": SYNC, "ops": txn.ops}
    try:
        h.rpc("kvs.commit", body).get()
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        h.rpc("kvs.commit", {**body, "flags": 0}).get()  # no backing store
    return restore


def _refuse_kvs(h: Flux) -> None:
    try:
        h.rpc("kvs.ping", {"seq": 0}, nodeid=0).get()
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        return
    raise CommandError(
        "the kvs module is loaded and would overwrite the checkpoint; use --key, or --store"
    )


EXAMPLES = """
# Put an archive back below a directory of the key-value store
flux dump -q backup.tgz
flux restore --key=restored backup.tgz
# Make a store of an archive, and start an instance with it
flux restore --store=restored.sqlite backup.tgz
flux start -o,-Scontent.backing-path=restored.sqlite flux kvs dir
"""
