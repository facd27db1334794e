"""``flux kvs``: read, write and watch the key-value store (flux-kvs(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from fluxctl import completions
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.commands.kvs_eventlog import eventlog
from fluxctl.commands.kvs_listing import dir_command, ls_command
from fluxctl.commands.kvs_namespace import namespace_group
from fluxctl.commands.kvs_options import (
    failing,
    namespace_option,
    parse_at,
    snapshot_option,
    treeobj_text,
)
from fluxctl.commands.kvs_writing import WRITERS, show_root
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, data_facts, json_option, print_json
from fluxctl.option_types import COUNT, Integer

if TYPE_CHECKING:
    from flux.rpc import RPC


@click.group(cls=FluxGroup)
def command() -> None:
    """Access the key-value store of the Flux instance."""


command.add_command(ls_command)
command.add_command(dir_command)
command.add_command(eventlog)
command.add_command(namespace_group)
for writer in WRITERS:
    command.add_command(writer)

# get


class GetOptions(TypedDict):
    """The options of ``flux kvs get`` that say what is shown, how often; ``count`` is None for
    no end.
    """

    raw: bool
    treeobj: bool
    label: bool
    waitcreate: bool
    watch: bool
    uniq: bool
    append: bool
    full: bool
    stream: bool
    count: int | None
    as_json: bool


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
@click.option(
    "-f", "--full", is_flag=True, help="With -w, also notice changes of parent directories."
)
@click.option("-c", "--count", type=COUNT, metavar="COUNT", help="With -w, end after COUNT values.")
@click.option(
    "-S",
    "--stream",
    is_flag=True,
    help="Take a large value in several answers: values come whole in any case. Not with -w.",
)
@json_option(LINES)
@click.argument(
    "keys",
    nargs=-1,
    required=True,
    metavar="KEY [KEY...]",
    shell_complete=completions.kvs_keys,
)
def get_command(
    keys: tuple[str, ...], namespace: str | None, at: str | None, **options: Unpack[GetOptions]
) -> None:
    """Print the value stored under each KEY."""
    from flux import kvs_rpc

    if options["count"] is not None and options["count"] < 0:
        raise CommandError("count must be >= 0")
    if options["stream"] and options["watch"]:
        raise CommandError(f"{keys[0]}: Invalid argument")
    rootdir = parse_at(at)
    flags = _get_flags(options)
    with handle() as h:
        for key in keys:
            with failing(key):
                future = kvs_rpc.lookup(h, key, flags, namespace, rootdir)
                if options["watch"]:
                    _watch(future, key, options)
                else:
                    _show_value(future, key, options)
        if options["watch"]:
            h.reactor_run()


def _get_flags(options: GetOptions) -> int:
    from flux import kvs_txn

    flags_given = (
        (options["treeobj"], kvs_txn.TREEOBJ),
        (options["waitcreate"], kvs_txn.WAITCREATE),
        (options["watch"], kvs_txn.WATCH),
        (options["uniq"], kvs_txn.WATCH_UNIQ),
        (options["append"], kvs_txn.WATCH_APPEND),
        (options["full"], kvs_txn.WATCH_FULL),
    )
    flags = sum(flag for given, flag in flags_given if given)
    if not options["watch"]:
        flags &= ~(kvs_txn.WATCH_UNIQ | kvs_txn.WATCH_APPEND | kvs_txn.WATCH_FULL)
    return flags


def _show_value(future: RPC, key: str, options: GetOptions) -> None:
    from flux import kvs_rpc
    from flux.treeobj import decode_val

    obj = kvs_rpc.treeobj_of(future)
    if options["as_json"]:
        facts = {"treeobj": obj} if options["treeobj"] else data_facts(decode_val(obj), "value")
        print_json({"key": key, **facts})
        sys.stdout.flush()
        return
    if options["treeobj"]:
        echo(f"{key}={treeobj_text(obj)}" if options["label"] else treeobj_text(obj))
        return
    data = decode_val(obj)
    if not options["raw"]:
        data, end = data.partition(b"\0")[0], b"\n" if data or options["label"] else b""
        data += end
    if options["label"]:
        data = f"{key}=".encode() + data
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _watch(future: RPC, key: str, options: GetOptions) -> None:
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


@command.command("readlink", cls=FluxCommand)
@namespace_option
@snapshot_option
@click.option(
    "-o", "--namespace-only", is_flag=True, help="Print the namespace of the target only."
)
@click.option("-k", "--key-only", is_flag=True, help="Print the key of the target only.")
@json_option(LINES)
@click.argument(
    "keys",
    nargs=-1,
    required=True,
    metavar="KEY [KEY...]",
    shell_complete=completions.kvs_keys,
)
def readlink_command(
    keys: tuple[str, ...],
    namespace: str | None,
    at: str | None,
    namespace_only: bool,
    key_only: bool,
    as_json: bool,
) -> None:
    """Print what each link refers to."""
    from flux import kvs_rpc
    from flux.kvs_txn import READLINK

    rootdir = parse_at(at)
    with handle() as h:
        for key in keys:
            with failing(key):
                space, target = kvs_rpc.symlink_of(
                    kvs_rpc.lookup(h, key, READLINK, namespace, rootdir)
                )
            if as_json:
                print_json({"key": key, "namespace": space, "target": target})
            elif namespace_only:
                if space is not None:
                    echo(space)
            else:
                echo(target if key_only or space is None else f"{space}::{target}")


# The root


@command.command("getroot", cls=FluxCommand)
@namespace_option
@click.option("-s", "--sequence", is_flag=True, help="Print the sequence number.")
@click.option("-o", "--owner", is_flag=True, help="Print the owner of the namespace.")
@click.option("-b", "--blobref", is_flag=True, help="Print the blobref.")
@json_option("Print sequence number, owner and blobref as one JSON object.")
def getroot_command(
    namespace: str | None, sequence: bool, owner: bool, blobref: bool, as_json: bool
) -> None:
    """Print the current root as an RFC 11 object."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_getroot_get_treeobj"):
        answer = kvs_rpc.getroot(h, namespace).get()
    if as_json:
        print_json(answer)
    elif owner:
        echo(str(answer["owner"]))
    elif blobref:
        echo(answer["rootref"])
    else:
        show_root(answer, not sequence, sequence)


@command.command("version", cls=FluxCommand)
@namespace_option
@json_option()
def version_command(namespace: str | None, as_json: bool) -> None:
    """Print the current version, the sequence number of the root."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_kvs_get_version"):
        version = kvs_rpc.get_version(h, namespace)
    if as_json:
        print_json({"version": version})
    else:
        echo(str(version))


@command.command("wait", cls=FluxCommand)
@namespace_option
@click.argument("version", type=Integer(0, 0x7FFFFFFF))
def wait_command(namespace: str | None, version: int) -> None:
    """Wait until the version is VERSION or greater."""
    from flux.kvs_calls import wait_version

    with handle() as h, failing("flux_kvs_wait_version"):
        wait_version(h, version, namespace)


@command.command("dropcache", cls=FluxCommand)
@click.option("-a", "--all", "everywhere", is_flag=True, help="Drop the caches of every rank.")
def dropcache_command(everywhere: bool) -> None:
    """Drop the cache of the local kvs module."""
    with handle() as h, failing("flux_kvs_dropcache"):
        if everywhere:
            h.event_send("kvs.dropcache")
        else:
            h.rpc("kvs.dropcache").get()


EXAMPLES = """
# Store values, and read one
flux kvs put colors.sky=blue colors.grass=green
flux kvs get colors.sky
# List a directory with what is below it
flux kvs dir -R colors
# Keep a log of events, and wait for one
flux kvs eventlog append run.log begin '{"try": 1}'
flux kvs eventlog wait-event run.log begin
# Work in a namespace of one's own
flux kvs namespace create mine
flux kvs put --namespace=mine a=1
# Remove a directory
flux kvs unlink -R colors
"""
