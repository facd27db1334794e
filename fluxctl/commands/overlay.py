"""``flux overlay``: how whole the tree is, who is whose parent, and the end of a link."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import click

from flux.core.attributes import attribute_of
from flux.overlay import STATES
from flux.wire.errors import os_error
from fluxctl import completions
from fluxctl.color import uses_color
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.list_output import ListTable
from fluxctl.option_types import COUNT
from fluxctl.overlay_tree import RANK_FORMAT, RANK_HEADINGS, Look, OverlayTree, health_role
from fluxctl.suggestions import suggestion
from fluxctl.tracing import follow, mask_of, trace_options

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.list_output import ListChoice
    from fluxctl.tracing import TraceChoice

POLL_SECONDS = 0.1
RANKS = ListTable(RANK_HEADINGS, RANK_FORMAT)


@click.group("overlay", cls=FluxGroup)
def command() -> None:
    """Look at the tree network of the brokers."""


@command.command("status", cls=FluxCommand)
@click.option(
    "-r",
    "--rank",
    type=COUNT,
    default=0,
    help="Begin at RANK, by default at rank 0.",
    shell_complete=completions.ranks,
)
@click.option(
    "-v",
    "--verbose",
    is_flag=False,
    flag_value="+",
    multiple=True,
    metavar="[LEVEL]",
    help="1: since when, 2: name the first rank, and what is not whole below it, 3: all ranks.",
)
@click.option(
    "-t",
    "--timeout",
    metavar="FSD",
    help="Wait for an answer, and with --wait for the state, not longer than FSD.",
)
@click.option("-H", "--hostnames", is_flag=True, help="Show the names of the hosts.")
@click.option("-T", "--times", is_flag=True, help="Show since when, and how long an answer takes.")
@click.option("-p", "--pretty", is_flag=True, help="Draw the tree.")
@click.option("-g", "--ghost", is_flag=True, help="Show the ranks behind those that are not there.")
@click.option("-c", "colored", is_flag=True, help="Show by colors what is not whole.")
@click.option("-s", "--summary", is_flag=True, help="Show the first rank only.")
@click.option(
    "-w",
    "--wait",
    metavar="STATE",
    help="Wait until the first rank is in STATE.",
    shell_complete=completions.words(lambda: STATES),
)
@click.option("--down", is_flag=True, help="Show the subtrees that are not whole.")
@click.option("--no-pretty", is_flag=True, help="Show the tree without lines and indents.")
@click.option("--no-ghost", is_flag=True, help="Leave out the ranks behind those that are lost.")
@click.option(
    "--highlight",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Make ranks or hosts stand out, and the ranks above them.",
    shell_complete=completions.nodes,
)
@RANKS.options(colors=("-L",))
def status(
    rank: int,
    verbose: tuple[str, ...],
    timeout: str | None,
    hostnames: bool,
    times: bool,
    pretty: bool,
    ghost: bool,
    colored: bool,
    summary: bool,
    wait: str | None,
    down: bool,
    no_pretty: bool,
    no_ghost: bool,
    targets: tuple[str, ...],
    **choice: Unpack[ListChoice],
) -> None:
    """Show whether all ranks are there: full, partial, degraded, lost or offline.

    With --down, --no-pretty, --no-ghost or --highlight the tree is drawn as today's flux-core does:
    with hosts, with why a rank is lost, with -v since when, with -vv how long an answer takes.

    With a format, or as JSON, there is a line for each rank; a summary has the first rank only.

    A rank is offline before it joins and after it has ended; it is lost when its connection broke.
    Ranks above one that is lost are degraded, those above one that is only offline are partial.
    """
    if wait is not None and wait not in STATES:
        raise CommandError(f"unknown state: '{wait}'", hint=suggestion(wait, STATES))
    seconds = _fsd(timeout) if timeout is not None else -1.0
    level = _level(verbose) or (3 if (pretty or ghost) and not summary else 0)
    listed = choice["as_json"] or choice["layout"] is not None
    RANKS.format_of(choice)  # before there is a connection
    color = colored or uses_color(choice["color"])
    look = Look(1 if summary and level > 1 else level, hostnames, times, pretty, ghost, color)
    today = (down or no_pretty or no_ghost or bool(targets)) and not summary
    if today:
        since, answers = level >= 1 and not pretty, level >= 2 and not pretty
        look = Look(
            3, True, times or answers, not no_pretty, not no_ghost, color, True, since, down
        )
    with handle() as h:
        try:
            hosts = _hosts(h) if hostnames or listed or today else []
            if targets:
                look = replace(look, marked=_marked(h, targets, hosts))
            tree = OverlayTree(h, seconds, look, hosts)
            if wait is not None:
                _wait_for(tree, rank, wait, seconds)
            if listed:
                rows = tree.rows(rank, below=not summary)
                if choice["as_json"]:
                    print_json_lines(rows)
                else:
                    RANKS.show(rows, choice, health_role)
                return
            for line in tree.lines(rank):
                echo(line, raw=True)
        except OSError as exc:
            raise CommandError(_words(exc)) from None


def _level(given: tuple[str, ...]) -> int:
    level = 0
    for word in given:
        if word == "+":
            level += 1
        elif set(word) <= {"v"}:  # -vv is -v with the value v
            level += 1 + len(word)
        elif word.isdecimal():
            level = int(word)
        else:
            raise CommandError(f"invalid verbosity: '{word}'")
    return level


def _fsd(text: str) -> float:
    from flux.util import parse_fsd

    try:
        return parse_fsd(text) or -1.0
    except ValueError:
        raise CommandError(f"invalid timeout: '{text}'") from None


def _words(exc: OSError) -> str:
    """Return a failure in the system's words where the text says no more than they."""
    import os

    if exc.errno in {errno.ETIMEDOUT, errno.EHOSTUNREACH}:
        return os.strerror(exc.errno)
    return exc.strerror or str(exc)


def _wait_for(tree: OverlayTree, rank: int, state: str, seconds: float) -> None:
    """Wait until ``rank`` is in a state; raises OSError(ETIMEDOUT) after ``seconds``, if that is
    positive.
    """
    import time

    end = time.monotonic() + seconds if seconds > 0 else None
    while tree.health(rank)["status"] != state:
        if end is not None and time.monotonic() > end:
            raise os_error(errno.ETIMEDOUT)
        time.sleep(POLL_SECONDS)


def _marked(h: Flux, targets: tuple[str, ...], hosts: list[str]) -> frozenset[int]:
    """Return the ranks that targets name, ids or hosts, and those above them; raises CommandError
    for one that is not there.
    """
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    found = set[int]()
    for target in targets:
        try:
            if target.strip("[]")[:1].isdigit():
                ids = IDset(target)
                if ids and ids.last() >= len(hosts):
                    text = f"--highlight: rank {ids.last()} not in set {IDset(range(len(hosts)))}"
                    raise CommandError(text)
                found.update(ids)
                continue
            names = set(Hostlist(target))
        except ValueError:
            text = f"--highlight: TARGET must be a valid idset or hostlist: '{target}'"
            raise CommandError(text) from None
        for name in sorted(names - set(hosts)):
            raise CommandError(f"Error decoding {target}: host {name} not found in host map")
        found.update(rank for rank, host in enumerate(hosts) if host in names)
    for rank in tuple(found):
        above = rank
        while above and (above := _parent(h, above)) not in found:
            found.add(above)
    return frozenset(found)


def _hosts(h: Flux) -> list[str]:
    """Return the name of the host of each rank."""
    from flux.hostlist import Hostlist

    resources = h.rpc("resource.status", nodeid=0).get()["R"]
    return list(Hostlist(",".join(resources["execution"]["nodelist"])))


@command.command("errors", cls=FluxCommand)
@click.option(
    "-t",
    "--timeout",
    metavar="FSD",
    default="0.5s",
    help="Wait for each answer not longer than FSD, 0 for ever; by default 0.5s.",
)
@json_option(LINES)
def errors(timeout: str, as_json: bool) -> None:
    """Tell which hosts have lost their connection, or do not answer.

    A line has the hosts for which something is wrong, and what. There is none if all is well.
    """
    from flux.hostlist import Hostlist

    seconds = _fsd(timeout)
    with handle() as h:
        try:
            hosts = _hosts(h)
        except OSError as exc:
            raise CommandError(_words(exc)) from None
        found = OverlayTree(h, seconds, Look(), hosts).errors()
    for error, ranks in found.items():
        names = Hostlist([hosts[rank] for rank in ranks]).encode()
        if as_json:
            print_json({"error": error, "hosts": names, "ranks": ranks})
        else:
            echo(f"{names}: {error}")


@command.command("gethostbyrank", cls=FluxCommand)
@click.argument("idset", shell_complete=completions.ranks)
@json_option(LINES)
def gethostbyrank(idset: str, as_json: bool) -> None:
    """Print the hosts of the ranks in IDSET as a hostlist."""
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    with handle() as h:
        try:
            ranks = IDset(idset)
        except ValueError:
            raise CommandError(f"invalid idset: '{idset}'") from None
        try:
            hosts = _hosts(h)
        except OSError as exc:
            raise CommandError(exc.strerror or str(exc)) from None
    for rank in ranks:
        if rank >= len(hosts):
            raise CommandError(f"{rank} is not a valid rank in this instance")
    if as_json:
        print_json_lines({"rank": rank, "host": hosts[rank]} for rank in ranks)
        return
    echo(Hostlist([hosts[rank] for rank in ranks]).encode())


@command.command("lookup", cls=FluxCommand)
@click.argument("target", shell_complete=completions.nodes)
@json_option(LINES)
def lookup(target: str, as_json: bool) -> None:
    """Print the hosts of ranks, or the ranks of hosts, whichever TARGET names."""
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    with handle() as h:
        try:
            hosts = _hosts(h)
        except OSError as exc:
            raise CommandError(exc.strerror or str(exc)) from None
    by_rank = target.strip("[]")[:1].isdigit()
    try:
        if by_rank:
            wanted_ranks = IDset(target)
            ranks = [rank for rank in range(len(hosts) + 1) if rank in wanted_ranks]
        else:
            wanted = set(Hostlist(target))
            ranks = [rank for rank, host in enumerate(hosts) if host in wanted]
    except ValueError:
        raise CommandError(f"TARGET must be a valid idset or hostlist: '{target}'") from None
    if not ranks or (by_rank and len(ranks) < wanted_ranks.count()) or ranks[-1] >= len(hosts):
        raise CommandError(f"{target} is not in this instance")
    if as_json:
        print_json_lines({"rank": rank, "host": hosts[rank]} for rank in ranks)
        return
    echo(Hostlist([hosts[rank] for rank in ranks]).encode() if by_rank else str(IDset(ranks)))


def _parent(h: Flux, rank: int) -> int:
    """Return the rank above ``rank``; raises CommandError if there is none."""
    size, fanout = int(attribute_of(h, "size") or 1), int(attribute_of(h, "tbon.fanout") or 2)
    if not 0 <= rank < size:
        raise CommandError(f"{rank} is not a valid rank in this instance")
    if rank == 0:
        raise CommandError("0 has no parent")
    return (rank - 1) // fanout


@command.command("parentof", cls=FluxCommand)
@click.argument("rank", type=COUNT, shell_complete=completions.ranks)
@json_option()
def parentof(rank: int, as_json: bool) -> None:
    """Print the rank that is the parent of RANK."""
    with handle() as h:
        parent = _parent(h, rank)
    if as_json:
        print_json({"rank": rank, "parent": parent})
    else:
        echo(str(parent))


@command.command("disconnect", cls=FluxCommand)
@click.option("-r", "--parent", type=COUNT, help="Ask this rank, by default the parent of RANK.")
@click.argument("rank", type=COUNT, shell_complete=completions.ranks)
def disconnect(parent: int | None, rank: int) -> None:
    """End the connection of RANK to its parent: it ends, and so do all ranks below it."""
    with handle() as h:
        above = _parent(h, rank) if parent is None else parent
        echo(f"flux-overlay: asking rank {above} to disconnect child rank {rank}", err=True)
        try:
            h.rpc("overlay.disconnect-subtree", {"rank": rank}, nodeid=above).get()
        except OSError as exc:
            raise CommandError(f"overlay.disconnect-subtree: {_words(exc)}") from None


@command.command("trace", cls=FluxCommand)
@trace_options
@click.option(
    "-r",
    "--rank",
    type=COUNT,
    help="Show messages from and to this neighbour only.",
    shell_complete=completions.ranks,
)
@click.argument("glob", metavar="[TOPIC-GLOB]", default="*")
def trace(rank: int | None, glob: str, **choice: Unpack[TraceChoice]) -> None:
    """Show the messages that this broker gets from its neighbours in the tree, and sends to them,
    by default those with any topic.

    A line has the time, rx or tx, the rank of the neighbour (* all), the type (> request,
    < response, e event), the topic, the bytes of the payload, and how a request ended. Ctrl+C ends
    it.
    """
    mask_of(choice)  # before there is a connection
    with handle() as h:
        asked = {"nodeid": -1 if rank is None else rank, "topic_glob": glob}
        follow(h, "overlay.trace", asked, choice)


EXAMPLES = """
# Is every broker there?
flux overlay status
# Show the state of every rank, on which host it is, and since when it is so
flux overlay status --verbose=3 --hostnames --times
# What is not whole, drawn as a tree, and why; where in the tree is rank 0?
flux overlay status --down
flux overlay status --highlight=0
# Which hosts were lost?
flux overlay errors
# Whose child is rank 3?
flux overlay parentof 0 || true
# See for two seconds what this broker and its neighbours send each other
timeout 2 flux overlay trace --human || true
"""
