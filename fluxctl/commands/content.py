"""``flux content``: blobs by their hash (flux-content(1))."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from flux.time_text import ISO, time_text
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.option_types import Integer
from fluxctl.standard_input import read_all

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.rpc import RPC

CHECKPOINT_ROW = "{:<10} {:<10} {:<20} {}"
SPAM_SIZE = 256
"""Bytes of a blob of random digits: no two are the same."""


@click.group(cls=FluxGroup)
def command() -> None:
    """Access the content storage of the Flux instance."""


bypass_option = click.option(
    "-b", "--bypass-cache", is_flag=True, help="Use the backing store directly."
)


def _failure(function: str, exc: OSError) -> CommandError:
    return CommandError(f"{function}: {os.strerror(exc.errno or 0)}")


@command.command("load", cls=FluxCommand)
@bypass_option
@click.argument("blobrefs", nargs=-1, required=True, metavar="BLOBREF...")
def load_command(blobrefs: tuple[str, ...], bypass_cache: bool) -> None:
    """Write the blobs BLOBREF to standard output, one after the other."""
    from flux import content
    from flux.treeobj import is_blobref

    flags = content.CONTENT_FLAG_CACHE_BYPASS if bypass_cache else 0
    with handle() as h:
        for blobref in blobrefs:
            try:
                data = content.load(h, blobref, flags)
            except OSError as exc:
                name = "flux_content_load_get" if is_blobref(blobref) else "flux_content_load"
                # The broker may say more than the number does: a mapped file has changed.
                raise CommandError(f"{name}: {exc.strerror}") from None
            sys.stdout.buffer.write(data)


@command.command("store", cls=FluxCommand)
@bypass_option
@click.option(
    "--chunksize",
    type=Integer(0, 1 << 62),
    default=0,
    metavar="N",
    help="Store blobs of at most N bytes; 0, the default, sets no limit.",
)
@json_option(LINES)
def store_command(bypass_cache: bool, chunksize: int, as_json: bool) -> None:
    """Store standard input as a blob, or as several, and print their blobrefs."""
    from flux import content

    flags = content.CONTENT_FLAG_CACHE_BYPASS if bypass_cache else 0
    with handle() as h:
        data = read_all("the blob")
        size = chunksize or max(len(data), 1)
        for start in range(0, max(len(data), 1), size):
            chunk = data[start : start + size]
            try:
                ref = content.store(h, chunk, flags)
            except OSError as exc:
                raise _failure("flux_content_store_get", exc) from None
            if as_json:
                print_json({"blobref": ref, "size": len(chunk)})
            else:
                echo(ref)


@command.command("flush", cls=FluxCommand)
def flush_command() -> None:
    """Store what is dirty in the local cache and wait for the end."""
    _plain_rpc("content.flush")


@command.command("dropcache", cls=FluxCommand)
def dropcache_command() -> None:
    """Drop all entries of the local cache that can be loaded again."""
    _plain_rpc("content.dropcache")


@command.command("gc", cls=FluxCommand)
@json_option()
def gc_command(as_json: bool) -> None:
    """Drop what nothing refers to from the backing store.

    The space is given back to the file system. The key-value store refers to its blobs; those
    stored with flux content store are always kept. This waits until what was in use when it began
    has been out of use for content.grace-period seconds. Only the store content-sqlite is
    collected: content-files does not know what users stored, and keeps everything.
    """
    with handle() as h:
        try:
            found = h.rpc("content-sqlite.collect", {}, nodeid=0).get()
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                raise CommandError(_why_not_collected(h)) from None
            raise CommandError(f"content-sqlite.collect: {exc.strerror}") from None
    if as_json:
        print_json(found)
        return
    echo(
        f"dropped {found['dropped_objects']} blobs, {found['dropped_bytes']} bytes "
        f"in {found['seconds']:.1f}s"
    )


def _why_not_collected(h: Flux) -> str:
    """Return why the instance's store cannot be collected."""
    try:
        answer = h.rpc("attr.get", {"name": "content.backing-module"}, nodeid=0).get()
    except OSError:
        return "there is no backing store to collect, blobs are in memory only"
    return f"the backing store is {answer['value']}, only content-sqlite can be collected"


@command.command("spam", cls=FluxCommand)
@click.argument("count", type=Integer(0, 1 << 31), metavar="N")
@click.argument("ahead", type=Integer(1, 1 << 20), default=1, metavar="[M]")
def spam_command(count: int, ahead: int) -> None:
    """Store N random blobs, M at a time, and print their blobrefs."""
    from collections import deque

    with handle() as h:
        waiting: deque[RPC] = deque()
        try:
            for _ in range(count):
                if len(waiting) >= ahead:
                    echo(waiting.popleft().message().text())
                waiting.append(h.rpc("content.store", os.urandom(SPAM_SIZE // 2).hex().encode()))
            while waiting:
                echo(waiting.popleft().message().text())
        except OSError as exc:
            raise _failure("flux_content_store_get", exc) from None


@command.group("checkpoint", cls=FluxGroup)
def checkpoint() -> None:
    """Look at, or set, the checkpoint that a restart of the instance begins with."""


@checkpoint.command("list", cls=FluxCommand)
@click.option("-n", "--no-header", is_flag=True, help="Do not output column headers.")
@json_option(LINES, "-j")
def checkpoint_list(no_header: bool, as_json: bool) -> None:
    """List checkpoints, the newest first. Here there is one."""
    if not no_header and not as_json:
        echo(CHECKPOINT_ROW.format("Index", "Sequence", "Time", "Rootref"))
    with handle() as h:
        try:
            found = h.rpc("content.checkpoint-get", nodeid=0).get()["value"]
        except OSError as exc:
            raise _failure("kvs_checkpoint_lookup", exc) from None
    if as_json:
        print_json_lines(found)
        return
    for index, value in enumerate(found):
        when = time_text(value.get("timestamp", 0.0), f"{ISO}Z", utc=True)
        echo(CHECKPOINT_ROW.format(index, value.get("sequence", 0), when, value["rootref"]))


@checkpoint.command("update", cls=FluxCommand)
@click.argument("blobref")
def checkpoint_update(blobref: str) -> None:
    """Make BLOBREF, a directory of the key-value store, the root that a restart begins with.

    The kvs module must not be loaded: it would write its own.
    """
    from flux.kvs_flags import PRIMARY
    from flux.treeobj import is_blobref

    if not is_blobref(blobref):
        raise _failure("invalid blobref specified", OSError(errno.EINVAL, ""))
    with handle() as h:
        try:
            h.rpc("kvs.getroot", {"namespace": PRIMARY, "flags": 0}).get()
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise _failure("kvs_getroot", exc) from None
        else:
            raise CommandError("please unload kvs module before updating checkpoint")
        value = {"version": 1, "rootref": blobref, "sequence": 0, "timestamp": time.time()}
        try:
            h.rpc("content-backing.checkpoint-put", {"value": value}, nodeid=0).get()
        except OSError as exc:
            raise _failure("kvs_checkpoint_update", exc) from None


def _plain_rpc(topic: str) -> None:
    with handle() as h:
        try:
            h.rpc(topic).get()
        except OSError as exc:
            raise _failure(topic, exc) from None


EXAMPLES = """
# Store some text, and load it by its blobref
flux content store <notes.txt
flux content load $(echo hello | flux content store)
# Wait until everything is in the backing store, then free memory
flux content flush
flux content dropcache
"""
