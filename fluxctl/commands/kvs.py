"""``flux kvs``: read, write and watch the key-value store (flux-kvs(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from fluxctl.command import FluxCommand, FluxGroup, Integer, echo, handle
from fluxctl.commands.kvs_eventlog import eventlog
from fluxctl.commands.kvs_listing import dir_command, ls_command
from fluxctl.commands.kvs_namespace import namespace_group
from fluxctl.commands.kvs_options import failing, namespace_option, parse_at, snapshot_option
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.kvs_txn import Txn
    from flux.rpc import RPC


@click.group(cls=FluxGroup)
def command() -> None:
    """Access the key-value store of the Flux instance."""


command.add_command(ls_command)
command.add_command(dir_command)
command.add_command(eventlog)
command.add_command(namespace_group)

treeobj_root_option = click.option("-O", "--treeobj-root", is_flag=True, help="Print the new root as RFC 11 object.")
sequence_option = click.option("-s", "--sequence", is_flag=True, help="Print the new root's sequence number.")


def show_root(answer: dict[str, Any], treeobj_root: bool, sequence: bool) -> None:
    """Print what -O or -s ask for of a commit's answer."""
    if treeobj_root:
        echo(_treeobj_text({"data": [answer["rootref"]], "type": "dirref", "ver": 1}))
    elif sequence:
        echo(str(answer["rootseq"]))


def commit(h: Flux, txn: Txn, namespace: str | None, flags: int = 0) -> dict[str, Any]:
    """Commit and return the answer."""
    from flux import kvs_rpc

    with failing("flux_kvs_commit"):
        answer: dict[str, Any] = kvs_rpc.commit(h, txn, flags, namespace).get()
    return answer


def _treeobj_text(obj: dict[str, Any]) -> str:
    from flux import treeobj
    from flux.wire import json

    return json.dumps_str(treeobj.check(obj))


# get


@command.command("get", cls=FluxCommand)
@namespace_option
@click.option("-r", "--raw", is_flag=True, help="Print the value without a newline.")
@click.option("-t", "--treeobj", is_flag=True, help="Print the RFC 11 object.")
@snapshot_option
@click.option("-l", "--label", is_flag=True, help="Print key= before the value.")
@click.option("-W", "--waitcreate", is_flag=True, help="Wait for the key to be created.")
@click.option("-w", "--watch", is_flag=True, help="Print the value again each time it is written.")
@click.option("-u", "--uniq", is_flag=True, help="With -w, only if it has changed.")
@click.option("-A", "--append", is_flag=True, help="With -w, only what is appended.")
@click.option("-f", "--full", is_flag=True, help="With -w, also notice changes of parent directories.")
@click.option("-c", "--count", type=int, metavar="COUNT", help="With -w, end after COUNT values.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY [KEY...]")
def get_command(keys: tuple[str, ...], namespace: str | None, at: str | None, **options: Any) -> None:
    """Print the value stored under each KEY."""
    from flux import kvs_rpc

    if options["count"] is not None and options["count"] < 0:
        raise CommandError("count must be >= 0")
    rootdir = parse_at(at)
    flags = _get_flags(options)
    with handle() as h:
        for key in keys:
            with failing(key):
                future = kvs_rpc.lookup(h, key, flags, namespace, rootdir)
                if options["watch"]:
                    _watch(h, future, key, options)
                else:
                    _show_value(future, key, options)
        if options["watch"]:
            h.reactor_run()


def _get_flags(options: dict[str, Any]) -> int:
    from flux import kvs_txn

    names = {
        "treeobj": kvs_txn.TREEOBJ,
        "waitcreate": kvs_txn.WAITCREATE,
        "watch": kvs_txn.WATCH,
        "uniq": kvs_txn.WATCH_UNIQ,
        "append": kvs_txn.WATCH_APPEND,
        "full": kvs_txn.WATCH_FULL,
    }
    flags = sum(flag for name, flag in names.items() if options[name])
    if not options["watch"]:
        flags &= ~(kvs_txn.WATCH_UNIQ | kvs_txn.WATCH_APPEND | kvs_txn.WATCH_FULL)
    return flags


def _show_value(future: RPC, key: str, options: dict[str, Any]) -> None:
    from flux import kvs_rpc

    obj = kvs_rpc.treeobj_of(future)
    if options["treeobj"]:
        echo(f"{key}={_treeobj_text(obj)}" if options["label"] else _treeobj_text(obj))
        return
    from flux.treeobj import decode_val

    data = decode_val(obj)
    if options["label"]:
        data = f"{key}=".encode() + data
    if data and not options["raw"]:
        data += b"\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _watch(h: Flux, future: RPC, key: str, options: dict[str, Any]) -> None:
    """Have the reactor print each value until the count is reached."""
    import errno

    from flux import kvs_rpc

    left = options["count"] if options["count"] else 0

    def changed(future: RPC) -> None:
        nonlocal left
        try:
            future.get()
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return
            raise CommandError(f"{key}: {os.strerror(exc.errno or 0)}") from None
        if left >= 0:
            _show_value(future, key, options)
        if left == 1:
            left = -1
            kvs_rpc.lookup_cancel(future)
        elif left > 1:
            left -= 1
        future.reset()

    future.then(changed)


# put and the other writers


@command.command("put", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@click.option("-r", "--raw", is_flag=True, help="Take the value as it is, from standard input if it is -.")
@click.option("-t", "--treeobj", is_flag=True, help="The value is an RFC 11 object.")
@click.option("-n", "--no-merge", is_flag=True, help="Do not merge with other commits of the same time.")
@click.option("-A", "--append", is_flag=True, help="Append to the value instead of replacing it.")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE [KEY=VALUE...]")
def put_command(
    pairs: tuple[str, ...],
    namespace: str | None,
    treeobj_root: bool,
    sequence: bool,
    raw: bool,
    treeobj: bool,
    no_merge: bool,
    append: bool,
) -> None:
    """Store each VALUE under its KEY and commit."""
    from flux.kvs_txn import NO_MERGE, Txn

    txn = Txn()
    with handle() as h:
        for pair in pairs:
            key, equals, text = pair.partition("=")
            if not equals:
                raise CommandError("put: you must specify a value as key=value")
            value = sys.stdin.buffer.read() if (raw or treeobj) and text == "-" else os.fsencode(text)
            with failing(key):
                if treeobj:
                    txn.put_treeobj(key, _parse_treeobj(value))
                elif append:
                    txn.append(key, value)
                else:
                    txn.put_raw(key, value)
        show_root(commit(h, txn, namespace, NO_MERGE if no_merge else 0), treeobj_root, sequence)


def _parse_treeobj(text: bytes) -> Any:
    import errno

    from flux.wire import json

    try:
        return json.loads(text)
    except ValueError:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None


@command.command("mkdir", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@click.argument("keys", nargs=-1, required=True, metavar="KEY [KEY...]")
def mkdir_command(keys: tuple[str, ...], namespace: str | None, treeobj_root: bool, sequence: bool) -> None:
    """Create empty directories and commit."""
    from flux.kvs_txn import Txn

    txn = Txn()
    with handle() as h:
        for key in keys:
            with failing(key):
                txn.mkdir(key)
        show_root(commit(h, txn, namespace), treeobj_root, sequence)


@command.command("unlink", cls=FluxCommand)
@namespace_option
@treeobj_root_option
@sequence_option
@click.option("-R", "--recursive", is_flag=True, help="Remove directories with their contents.")
@click.option("-f", "--force", is_flag=True, help="Ignore keys that do not exist.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY [KEY...]")
def unlink_command(
    keys: tuple[str, ...], namespace: str | None, treeobj_root: bool, sequence: bool, recursive: bool, force: bool
) -> None:
    """Remove keys and commit."""
    from flux.kvs_txn import Txn

    txn = Txn()
    with handle() as h:
        for key in keys:
            with failing(f"cannot unlink '{key}'"):
                _check_unlink(h, key, namespace, recursive, force)
                txn.unlink(key)
        show_root(commit(h, txn, namespace), treeobj_root, sequence)


def _check_unlink(h: Flux, key: str, namespace: str | None, recursive: bool, force: bool) -> None:
    """Raise OSError unless ``key`` may be removed: ENOENT, ENOTEMPTY."""
    import errno

    from flux import kvs_rpc
    from flux.kvs_txn import READDIR, TREEOBJ

    try:
        obj = kvs_rpc.treeobj_of(kvs_rpc.lookup(h, key, TREEOBJ, namespace))
    except OSError as exc:
        if force and exc.errno == errno.ENOENT:
            return
        raise
    if obj["type"] in ("dir", "dirref") and not recursive:
        entries = kvs_rpc.dir_of(kvs_rpc.lookup(h, key, READDIR, namespace))
        if entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


@command.command("link", cls=FluxCommand)
@namespace_option
@click.option("-T", "--target-namespace", metavar="NS", help="The namespace of the target.")
@treeobj_root_option
@sequence_option
@click.argument("target")
@click.argument("linkname")
def link_command(
    target: str, linkname: str, namespace: str | None, target_namespace: str | None, treeobj_root: bool, sequence: bool
) -> None:
    """Create a symbolic link LINKNAME to TARGET and commit."""
    from flux.kvs_txn import Txn

    with handle() as h:
        with failing(linkname):
            txn = Txn().symlink(linkname, target, target_namespace)
        show_root(commit(h, txn, namespace), treeobj_root, sequence)


@command.command("readlink", cls=FluxCommand)
@namespace_option
@snapshot_option
@click.option("-o", "--namespace-only", is_flag=True, help="Print the namespace of the target only.")
@click.option("-k", "--key-only", is_flag=True, help="Print the key of the target only.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY [KEY...]")
def readlink_command(
    keys: tuple[str, ...], namespace: str | None, at: str | None, namespace_only: bool, key_only: bool
) -> None:
    """Print what each link refers to."""
    from flux import kvs_rpc
    from flux.kvs_txn import READLINK

    rootdir = parse_at(at)
    with handle() as h:
        for key in keys:
            with failing(key):
                space, target = kvs_rpc.symlink_of(kvs_rpc.lookup(h, key, READLINK, namespace, rootdir))
            if namespace_only:
                if space is not None:
                    echo(space)
            else:
                echo(target if key_only or space is None else f"{space}::{target}")


source_option = click.option("-S", "--src-namespace", metavar="NS", help="The namespace of the source.")
target_option = click.option("-D", "--dst-namespace", metavar="NS", help="The namespace of the destination.")


@command.command("copy", cls=FluxCommand)
@source_option
@target_option
@click.argument("source")
@click.argument("destination")
def copy_command(source: str, destination: str, src_namespace: str | None, dst_namespace: str | None) -> None:
    """Copy SOURCE, a directory with all it contains, to DESTINATION."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_copy"):
        kvs_rpc.copy(h, source, destination, source_ns=src_namespace, target_ns=dst_namespace)


@command.command("move", cls=FluxCommand)
@source_option
@target_option
@click.argument("source")
@click.argument("destination")
def move_command(source: str, destination: str, src_namespace: str | None, dst_namespace: str | None) -> None:
    """Copy SOURCE to DESTINATION, then unlink it."""
    from flux import kvs_rpc

    if (source, src_namespace) == (destination, dst_namespace):
        raise CommandError(f"'{source}' and '{destination}' are the same key")
    with handle() as h, failing("flux_kvs_move"):
        kvs_rpc.move(h, source, destination, source_ns=src_namespace, target_ns=dst_namespace)


# The root


@command.command("getroot", cls=FluxCommand)
@namespace_option
@click.option("-s", "--sequence", is_flag=True, help="Print the sequence number.")
@click.option("-o", "--owner", is_flag=True, help="Print the owner of the namespace.")
@click.option("-b", "--blobref", is_flag=True, help="Print the blobref.")
def getroot_command(namespace: str | None, sequence: bool, owner: bool, blobref: bool) -> None:
    """Print the current root as an RFC 11 object."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_getroot"):
        answer = kvs_rpc.getroot(h, namespace).get()
    if owner:
        echo(str(answer["owner"]))
    elif blobref:
        echo(answer["rootref"])
    else:
        show_root(answer, not sequence, sequence)


@command.command("version", cls=FluxCommand)
@namespace_option
def version_command(namespace: str | None) -> None:
    """Print the current version, the sequence number of the root."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_get_version"):
        echo(str(kvs_rpc.get_version(h, namespace)))


@command.command("wait", cls=FluxCommand)
@namespace_option
@click.argument("version", type=Integer(0, 0x7FFFFFFF))
def wait_command(namespace: str | None, version: int) -> None:
    """Wait until the version is VERSION or greater."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_wait_version"):
        kvs_rpc.wait_version(h, version, namespace).get()


@command.command("dropcache", cls=FluxCommand)
@click.option("-a", "--all", "everywhere", is_flag=True, help="Drop the caches of every rank.")
def dropcache_command(everywhere: bool) -> None:
    """Drop the cache of the local kvs module."""
    with handle() as h, failing("flux_kvs_dropcache"):
        if everywhere:
            h.event_send("kvs.dropcache")
        else:
            h.rpc("kvs.dropcache").get()
