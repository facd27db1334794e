"""The sub-commands of ``flux kvs`` that write (flux-kvs(1))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from fluxctl.command import FluxCommand, echo, handle
from fluxctl.commands.kvs_options import failing, namespace_option, treeobj_text
from fluxctl.completions import kvs_keys
from fluxctl.errors import CommandError
from fluxctl.standard_input import read_all

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.kvs_txn import Txn
    from flux.treeobj import TreeObj
    from flux.wire.json import JsonObject
    from fluxctl.option_groups import F

treeobj_root_option = click.option(
    "-O", "--treeobj-root", is_flag=True, help="Print the new root as RFC 11 object."
)
_BLOBREF = "fluxctl.blobref"
"""Whether -b is given, in the context of the command."""


def _take_blobref(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    ctx.meta[_BLOBREF] = given


def sequence_option(function: F) -> F:
    """Give a command ``--sequence`` and ``--blobref``, for `show_root`."""
    blobref = click.option(
        "-b",
        "--blobref",
        is_flag=True,
        expose_value=False,
        callback=_take_blobref,
        help="Print the new root's blobref.",
    )
    sequence = click.option(
        "-s", "--sequence", is_flag=True, help="Print the new root's sequence number."
    )
    return sequence(blobref(function))


_SYNC_HELP = (
    "Return when the change is on disk, or fail; it is not seen by anyone before"
    " (not in the manual of 0.29)."
)
sync_option = click.option("-S", "--sync", is_flag=True, help=_SYNC_HELP)
long_sync_option = click.option(
    "--sync", is_flag=True, help=_SYNC_HELP
)  # where -S has a meaning already


def _flags(namespace: str | None, sync: bool, no_merge: bool = False) -> int:
    """Return the flags of a commit; raises CommandError for a durable one in a namespace that
    cannot be.
    """
    from flux.kvs_rpc import namespace_of
    from flux.kvs_txn import NO_MERGE, PRIMARY, SYNC

    if sync and namespace_of(namespace) != PRIMARY:
        raise CommandError("--sync: only the primary namespace can be made durable")
    return (SYNC if sync else 0) | (NO_MERGE if no_merge else 0)


def show_root(answer: JsonObject, treeobj_root: bool, sequence: bool) -> None:
    """Print what -O, -b or -s ask for of a commit's answer."""
    if click.get_current_context().meta.get(_BLOBREF):
        echo(str(answer["rootref"]))
    elif treeobj_root:
        from flux.treeobj import dirref

        echo(treeobj_text(dirref(answer["rootref"])))
    elif sequence:
        echo(str(answer["rootseq"]))


def commit(h: Flux, txn: Txn, namespace: str | None, flags: int = 0) -> JsonObject:
    """Commit and return the answer."""
    from flux import kvs_rpc

    with failing("flux_kvs_commit"):
        answer: JsonObject = kvs_rpc.commit(h, txn, flags, namespace).get()
    return answer


@click.command("put", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@sync_option
@click.option(
    "-r", "--raw", is_flag=True, help="Take the value as it is, from standard input if it is -."
)
@click.option("-t", "--treeobj", is_flag=True, help="The value is an RFC 11 object.")
@click.option(
    "-n", "--no-merge", is_flag=True, help="Do not merge with other commits of the same time."
)
@click.option("-A", "--append", is_flag=True, help="Append to the value instead of replacing it.")
@click.argument(
    "pairs", nargs=-1, required=True, metavar="KEY=VALUE [KEY=VALUE...]", shell_complete=kvs_keys
)
def put_command(
    pairs: tuple[str, ...],
    namespace: str | None,
    treeobj_root: bool,
    sequence: bool,
    raw: bool,
    treeobj: bool,
    no_merge: bool,
    append: bool,
    sync: bool,
) -> None:
    """Store each VALUE under its KEY and commit."""
    from flux.kvs_txn import Txn

    flags = _flags(namespace, sync, no_merge)

    txn = Txn()
    with handle() as h:
        for pair in pairs:
            key, equals, text = pair.partition("=")
            if not equals:
                raise CommandError("put: you must specify a value as key=value")
            value = read_all("the value") if (raw or treeobj) and text == "-" else os.fsencode(text)
            with failing(key):
                if treeobj:
                    txn.put_treeobj(key, _parse_treeobj(value))
                elif append:
                    txn.append(key, value)
                else:
                    txn.put_raw(key, value)
        show_root(commit(h, txn, namespace, flags), treeobj_root, sequence)


def _parse_treeobj(text: bytes) -> TreeObj:
    import errno

    from flux.wire import json
    from flux.wire.errors import os_error

    try:
        obj: TreeObj = json.loads(text)  # the transaction checks what it is
    except ValueError:
        raise os_error(errno.EINVAL) from None
    return obj


@click.command("mkdir", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@sync_option
@click.argument(
    "keys",
    nargs=-1,
    required=True,
    metavar="KEY [KEY...]",
    shell_complete=kvs_keys,
)
def mkdir_command(
    keys: tuple[str, ...], namespace: str | None, treeobj_root: bool, sequence: bool, sync: bool
) -> None:
    """Create empty directories and commit."""
    from flux.kvs_txn import Txn

    flags = _flags(namespace, sync)

    txn = Txn()
    with handle() as h:
        for key in keys:
            with failing(key):
                txn.mkdir(key)
        show_root(commit(h, txn, namespace, flags), treeobj_root, sequence)


@click.command("unlink", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@sync_option
@click.option("-R", "--recursive", is_flag=True, help="Remove directories with their contents.")
@click.option("-f", "--force", is_flag=True, help="Ignore keys that do not exist.")
@click.argument(
    "keys",
    nargs=-1,
    required=True,
    metavar="KEY [KEY...]",
    shell_complete=kvs_keys,
)
def unlink_command(
    keys: tuple[str, ...],
    namespace: str | None,
    treeobj_root: bool,
    sequence: bool,
    sync: bool,
    recursive: bool,
    force: bool,
) -> None:
    """Remove keys and commit."""
    from flux.kvs_txn import Txn

    flags = _flags(namespace, sync)

    txn = Txn()
    with handle() as h:
        for key in keys:
            with failing(f"cannot unlink '{key}'"):
                _check_unlink(h, key, namespace, recursive, force)
                txn.unlink(key)
        show_root(commit(h, txn, namespace, flags), treeobj_root, sequence)


def _check_unlink(h: Flux, key: str, namespace: str | None, recursive: bool, force: bool) -> None:
    """Raise OSError unless ``key`` may be removed: ENOENT, ENOTEMPTY."""
    import errno

    from flux import kvs_rpc
    from flux.kvs_txn import READDIR, TREEOBJ
    from flux.wire.errors import os_error

    try:
        obj = kvs_rpc.treeobj_of(kvs_rpc.lookup(h, key, TREEOBJ, namespace))
    except OSError as exc:
        if force and exc.errno == errno.ENOENT:
            return
        raise
    if obj["type"] in ("dir", "dirref") and not recursive:
        entries = kvs_rpc.dir_of(kvs_rpc.lookup(h, key, READDIR, namespace))
        if entries:
            raise os_error(errno.ENOTEMPTY)


@click.command("link", cls=FluxCommand)
@namespace_option
@click.option("-T", "--target-namespace", metavar="NS", help="The namespace of the target.")
@treeobj_root_option
@sequence_option
@sync_option
@click.argument("target", shell_complete=kvs_keys)
@click.argument("linkname")
def link_command(
    target: str,
    linkname: str,
    namespace: str | None,
    target_namespace: str | None,
    treeobj_root: bool,
    sequence: bool,
    sync: bool,
) -> None:
    """Create a symbolic link LINKNAME to TARGET and commit."""
    from flux.kvs_txn import Txn

    flags = _flags(namespace, sync)

    with handle() as h:
        with failing(linkname):
            txn = Txn().symlink(linkname, target, target_namespace)
        show_root(commit(h, txn, namespace, flags), treeobj_root, sequence)


source_option = click.option(
    "-S", "--src-namespace", metavar="NS", help="The namespace of the source."
)
target_option = click.option(
    "-D", "--dst-namespace", metavar="NS", help="The namespace of the destination."
)


@click.command("copy", cls=FluxCommand)
@source_option
@target_option
@long_sync_option
@click.argument("source", shell_complete=kvs_keys)
@click.argument("destination", shell_complete=kvs_keys)
def copy_command(
    source: str, destination: str, src_namespace: str | None, dst_namespace: str | None, sync: bool
) -> None:
    """Copy SOURCE, a directory with all it contains, to DESTINATION."""
    from flux import kvs_rpc

    flags = _flags(dst_namespace, sync)

    with handle() as h, failing("flux_kvs_copy"):
        kvs_rpc.copy(
            h, source, destination, flags, source_ns=src_namespace, target_ns=dst_namespace
        )


@click.command("move", cls=FluxCommand)
@source_option
@target_option
@long_sync_option
@click.argument("source", shell_complete=kvs_keys)
@click.argument("destination", shell_complete=kvs_keys)
def move_command(
    source: str, destination: str, src_namespace: str | None, dst_namespace: str | None, sync: bool
) -> None:
    """Copy SOURCE to DESTINATION, then unlink it."""
    from flux import kvs_rpc

    flags = _flags(dst_namespace, sync)
    _flags(src_namespace, sync)

    if (source, src_namespace) == (destination, dst_namespace):
        raise CommandError(f"'{source}' and '{destination}' are the same key")
    with handle() as h, failing("flux_kvs_move"):
        kvs_rpc.move(
            h, source, destination, flags, source_ns=src_namespace, target_ns=dst_namespace
        )


@click.command("sync", cls=FluxCommand)
def sync_command() -> None:
    """Have all that was committed before in the store, durably if that outlives the instance."""
    from flux.kvs_txn import SYNC, Txn

    with handle() as h:
        commit(h, Txn(), None, SYNC)


WRITERS = (
    put_command,
    mkdir_command,
    unlink_command,
    link_command,
    copy_command,
    move_command,
    sync_command,
)
"""What `flux kvs` adds to itself."""
