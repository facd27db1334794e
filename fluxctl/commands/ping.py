"""``flux ping``: round trips to a service (flux-ping(1))."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from flux.waitstatus import INTERRUPTED
from flux.wire.message import NODEID_ANY, NODEID_UPSTREAM
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.completions import ranks, services
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean, modules
from fluxctl.json_output import json_option, print_json
from fluxctl.numbers import decimal
from fluxctl.option_types import COUNT, INTEGER, REAL

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.future import Future

MAX_PAD = 1 << 30
MAX_INTERVAL = 1 << 31


@click.command(cls=FluxCommand)
@click.option(
    "-r",
    "--rank",
    metavar="N",
    help="Find target on a specific broker rank, 'any' or 'upstream'.",
    shell_complete=ranks,
)
@click.option(
    "-p",
    "--pad",
    type=INTEGER,
    default=0,
    metavar="N",
    help="Include in the payload a string of N bytes.",
)
@click.option(
    "-i",
    "--interval",
    type=REAL,
    default=1.0,
    metavar="SEC",
    help="Seconds between requests (default 1.0).",
)
@click.option(
    "-c", "--count", type=COUNT, metavar="N", help="Stop after N requests (default: unlimited)."
)
@click.option(
    "-b",
    "--batch",
    is_flag=True,
    help="Send all requests before taking responses; requires --count.",
)
@click.option("-u", "--userid", is_flag=True, help="Show the credentials the request arrived with.")
@json_option("Print each answer as one line of JSON, its time in milliseconds.")
@click.argument("target", shell_complete=services)
def command(
    rank: str | None,
    pad: int,
    interval: float,
    count: int | None,
    batch: bool,
    userid: bool,
    as_json: bool,
    target: str,
) -> int:
    """Measure round-trip times to the service TARGET, [RANK!]SERVICE, or to the broker of RANK."""
    if not 0 <= pad <= MAX_PAD:
        raise CommandError("pad must be >= 0" if pad < 0 else f"pad must be <= {MAX_PAD}")
    if not 0 <= interval <= MAX_INTERVAL:
        raise CommandError(
            "interval must be >= 0" if not interval > 0 else f"interval must be <= {MAX_INTERVAL}"
        )
    if count is not None and count <= 0:
        raise CommandError("count must be > 0")
    if batch and count is None:
        raise CommandError("--batch should only be used with --count")
    node, service = _target(target, rank)
    with handle() as h:
        ping = _Ping(h, node, service, pad, userid, as_json)
        try:
            ping.run(count, interval, batch)
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


def _target(target: str, rank: str | None) -> tuple[str, str]:
    """Return the node ("any", "upstream" or a rank) and the service."""
    if rank is None:
        if "!" in target:
            rank, _, target = target.partition("!")
        elif target.isdecimal() or target in ("any", "upstream"):
            rank, target = target, "broker"
        else:
            rank = "any"
    if rank not in ("any", "upstream") and decimal(rank, NODEID_UPSTREAM - 1) is None:
        raise CommandError("error parsing --rank option")
    if not target:
        raise CommandError("a target service is required")
    return rank, target


class _Ping:
    """Sends pings and prints their answers."""

    def __init__(
        self, handle: Flux, node: str, service: str, pad: int, userid: bool, as_json: bool
    ) -> None:
        self.handle = handle
        self.topic = f"{service}.ping"
        self.nodeid = (
            NODEID_ANY if node == "any" else NODEID_UPSTREAM if node == "upstream" else int(node)
        )
        self.label = self.topic if node == "any" else f"{node}!{self.topic}"
        self.pad = "p" * pad
        self.userid = userid
        self.as_json = as_json
        self.sent = 0
        self.received = 0

    def run(self, count: int | None, interval: float, batch: bool) -> None:
        """Send ``count`` pings ``interval`` seconds apart, printing answers as they come, or at the
        end if ``batch``.
        """
        waiting: list[Future] = []
        reactor = self.handle.reactor
        while count is None or self.sent < count:
            due = reactor.now() + interval
            rpc = self._send()
            if batch or interval == 0:
                waiting.append(rpc)
                if not batch and len(waiting) >= 1000:
                    self._print(waiting.pop(0))
            else:
                self._print(rpc)
            if count is None or self.sent < count:
                delay = due - reactor.now()
                if delay > 0:
                    time.sleep(delay)
        for rpc in waiting:
            self._print(rpc)

    def _send(self) -> Future:
        now = time.monotonic_ns()
        body = {
            "seq": self.sent,
            "time.tv_sec": now // 10**9,
            "time.tv_nsec": now % 10**9,
            "pad": self.pad,
        }
        self.sent += 1
        return self.handle.rpc(self.topic, body, self.nodeid)

    def _print(self, rpc: Future) -> None:
        try:
            answer = rpc.get()
        except OSError as exc:
            import errno
            import os

            if exc.errno != errno.ENOSYS:
                raise CommandError(f"{self.label}: {exc.strerror}") from None
            name = self.topic.removesuffix(".ping")
            hint = did_you_mean(name, lambda: modules(self.handle))
            raise CommandError(f"{self.label}: {os.strerror(exc.errno)}{hint}") from None
        elapsed = (
            time.monotonic_ns() - answer["time.tv_sec"] * 10**9 - answer["time.tv_nsec"]
        ) / 1e6
        if self.as_json:
            facts = {name: answer[name] for name in ("seq", "route", "userid", "rolemask")}
            print_json(
                {"target": self.label, "pad": len(answer["pad"]), "ms": round(elapsed, 3), **facts}
            )
            sys.stdout.flush()
            return
        who = f" userid={answer['userid']} rolemask=0x{answer['rolemask']:x}" if self.userid else ""
        echo(
            f"{self.label} pad={len(answer['pad'])}{who} seq={answer['seq']} "
            f"time={elapsed:.3f} ms ({answer['route']})"
        )
        sys.stdout.flush()


EXAMPLES = """
# Measure the round trip to a service three times
flux ping --count=3 --interval=0.1 kvs
# See whether the broker of rank 1 answers
flux ping --count=1 1
"""
