"""``flux shutdown``: end an instance (docs/todays-commands.md)."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from fluxctl import completions, modern
from fluxctl.command import FluxCommand, echo, handle, talk
from fluxctl.errors import CommandError
from fluxctl.option_groups import with_options
from fluxctl.option_types import Integer
from fluxctl.optional_value import OptionalValue

if TYPE_CHECKING:
    from flux.core.handle import Flux

GONE: Final = frozenset((errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ENOENT))
"""Errors that mean that the broker has ended."""
WARNING: Final = 4
INFO: Final = 6
AUTO: Final = "auto"
DUMP: Final = "content.dump"


_VERBOSE = OptionalValue(
    "-v",
    "--verbose",
    implied="1",
    metavar="[=LEVEL]",
    text="1 shows the whole log, 0 informational messages and above (the default).",
    kind=Integer(0, 1),
)


@click.command("shutdown", cls=FluxCommand, short_help="shut down a Flux instance")
@click.option("--skip-gc", is_flag=True, help="Do not dump the key-value store, if that is set up.")
@click.option("--gc", is_flag=True, help="Dump it to a file in dump/ that is named by the time.")
@click.option("--dump", metavar="PATH", help="Dump the key-value store to this archive.")
@click.option("--background", is_flag=True, help="Do not wait for the end.")
@click.option("--quiet", is_flag=True, help="Show warnings and errors of the log only.")
@with_options([_VERBOSE])
@click.option("-y", "--yes", is_flag=True, help="Replace an archive that is there.")
@click.option("-n", "--no", is_flag=True, help="Do not replace an archive that is there.")
@click.argument("target", required=False, shell_complete=completions.uris)
@click.pass_context
def command(
    ctx: click.Context,
    skip_gc: bool,
    gc: bool,
    dump: str | None,
    background: bool,
    quiet: bool,
    verbose: int | None,
    yes: bool,
    no: bool,
    target: str | None,
) -> int:
    """Shut down an instance, by default this one, and show its log until its end.

    TARGET is a URI or the id of a job that is an instance. Its jobs are ended with it.
    """
    if sum((skip_gc, gc, dump is not None)) > 1:
        raise CommandError("--skip-gc, --gc and --dump exclude each other")
    if yes and no:
        raise CommandError("--yes and --no exclude each other")
    path = AUTO if gc else os.path.abspath(dump) if dump not in (None, "", AUTO) else dump
    if path and path != AUTO and os.path.exists(path):
        _ask_to_replace(path, yes, no)
    h = _reach(target)
    with h:
        if path or skip_gc:
            h.rpc("attr.set", {"name": DUMP, "value": path or ""}, nodeid=0).get()
        if path:
            shown = "dump/" if path == AUTO else path
            talk(ctx, f"shutdown will dump KVS to {shown} (this may take some time)")
        return _shut_down(h, None if background else WARNING if quiet else INFO + (verbose or 0))


def _ask_to_replace(path: str, yes: bool, no: bool) -> None:
    """Make sure that a file may be replaced. Raises CommandError if it may not."""
    if yes:
        return
    if not no and sys.stdin.isatty():
        echo(f"{path} exists. Replace it (y/N)? ", err=True, nl=False)
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise CommandError(f"{path} exists already; nothing is shut down")


def _reach(target: str | None) -> Flux:
    from flux.core.handle import Flux
    from flux.uri.forms import reachable
    from fluxctl.target import resolve

    return handle() if target is None else Flux(reachable(resolve(target)))


def _shut_down(h: Flux, level: int | None) -> int:
    """Ask for the end; with a level wait for it, and show the log up to that level meanwhile."""
    from flux.constants import FLUX_RPC_STREAMING
    from flux.terminal_text import terminal_line

    log = None
    if level is not None:
        request = {"follow": True, "nobacklog": True}
        log = h.rpc("log.dmesg", request, nodeid=0, flags=FLUX_RPC_STREAMING)
    try:
        modern.ask(h, "state-machine.shutdown", {}, nodeid=0)
    except OSError as exc:
        if exc.errno in GONE:
            return 0
        raise CommandError(f"shutdown: {exc.strerror}") from None
    try:
        while log is not None:
            line = _line(log.get_str() or "", level or 0)
            if line:
                echo(terminal_line(line), err=True)
            log.reset()
    except OSError as exc:
        if exc.errno not in GONE and exc.errno != errno.ENODATA:
            raise
    return 0


def _line(text: str, level: int) -> str:
    """Return a line of the log for a person, empty if it is less important than a level."""
    from flux.logline import parse

    entry = parse(text)
    if entry is None:
        return text
    return entry.readable() if entry.severity <= level else ""


EXAMPLES = """
# End the instance that a job is
id=$(flux alloc -n1 --bg)
flux shutdown $id
# Keep its key-value store, and do not wait for its end
id=$(flux alloc -n1 --bg)
flux shutdown --background --dump=last.tgz $id
"""
