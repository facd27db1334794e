"""What every backing store of the content service does: it has the place alone, and takes what is
still dirty before it leaves.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from flux.treeobj import is_blobref
from flux.wire.errors import error_of, os_error

if TYPE_CHECKING:
    from broker.context import Context
    from broker.service import Request
    from flux.wire.json import JsonObject
    from flux.wire.message import Message


def primary_checkpoint(req: Request) -> JsonObject:
    """Return the ``value`` of a request to write the checkpoint of the primary namespace; raises
    OSError(EINVAL) if it names no root.
    """
    value: JsonObject = req.get("value", dict)
    if not is_blobref(value.get("rootref")):
        raise OSError(errno.EINVAL, "a checkpoint names a root")
    return value


def default_path(ctx: Context, name: str) -> str:
    """Return where a store called ``name`` is unless ``content.backing-path`` says: in the state
    directory if the instance has one, in the run directory if not.
    """
    folder = ctx.attrs.get("statedir")
    return os.path.join(os.path.abspath(folder) if folder else ctx.rundir, name)


def load_for_program(ctx: Context, req: Request) -> None:
    """Answer a request to load a blob that names it by the bytes of its hash, as programs of
    today's flux-core do when they bypass the content cache.

    The cache answers all the same: it has what is not written yet, and gives large directories in
    the form that such programs know. What it misses it asks the store for by blobref.
    """

    def loaded(msg: Message) -> None:
        if msg.errnum:
            req.fail(error_of(msg))
        else:
            req.respond(msg.payload)

    ctx.handle.post("content.load", req.raw, loaded)


def check_free(ctx: Context, name: str) -> None:
    """Raise OSError(EINVAL), and say so in the log, if another store than ``name`` is in use."""
    used = ctx.attrs.get("content.backing-module")
    if used not in (None, name):
        ctx.log.err(f"content backing store cannot be changed on the fly, {used} is in use")
        raise os_error(errno.EINVAL)


async def leave(ctx: Context) -> OSError | None:
    """Take what the content service still holds and give the place up.

    Returns why blobs are lost, None if none are.
    """
    lost: OSError | None = None
    try:
        await ctx.handle.rpc("content.flush")
    except OSError as exc:
        ctx.log.err(f"content flush: {exc.strerror}")
        lost = OSError(exc.errno, f"blobs that were not stored yet are lost: {exc.strerror}")
    try:
        await ctx.handle.rpc("content.unregister-backing")
    except OSError as exc:
        ctx.log.err(f"content.unregister-backing: {exc.strerror}")
    return lost
