"""Starting a broker: wire-up, event loop, exit code (flux-broker(1))."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from broker import configuration
from broker.bootstrap.static import certificate, own_name, placed
from broker.bootstrap.wireup import find_pmi, wire_up
from broker.config import (
    BrokerOptions,
    Rundir,
    check_attributes,
    check_quorum,
    configuration_path,
    define_identity,
    initial_attributes,
    make_statedir,
)
from broker.configuration.bootstrap import BootstrapError
from broker.emergency import Emergency, take_lifeline
from broker.foundation import Foundation
from broker.instance import Broker
from broker.recovery import recovering
from broker.socket_path import check_socket_paths
from broker.subprocess.descendants import become_subreaper, children, end_descendants
from broker.todays_attributes import with_links
from broker.topology import Topology
from broker.verbose import boot_lines, tell
from flux.terminal_text import terminal_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.bootstrap import Pmi
    from broker.configuration.bootstrap import BootstrapConfig
    from broker.overlay.keys import KeyPair
    from broker.overlay.network import Overlay

FINISH_PATIENCE = 0.2
"""Seconds that processes killed at the deadline of an emergency get to disappear."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop, which is four times as fast at small messages, or asyncio's own without
    it.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run_broker(options: BrokerOptions) -> int:
    """Run a broker to its end and return the exit code; raises OSError if it cannot start.

    Everything that the broker started and that is still there at its end is killed. Becomes a
    subreaper for that.
    """
    spared = frozenset(children())
    become_subreaper()
    lifeline = take_lifeline()
    attrs = initial_attributes(options)
    try:
        config = configuration.load(configuration_path(attrs, os.environ), options.conf)
        if config.tbon.zmqdebug is not None:
            attrs.default("tbon.zmqdebug", str(config.tbon.zmqdebug))
        config = with_links(config, attrs)
        fanout = check_attributes(attrs)
        pmi = find_pmi(os.environ)
        # Recovery is of one broker, whatever the configuration of the instance was.
        bootstrap = None if recovering(attrs) else config.bootstrap
        topology, keys = _place(bootstrap, attrs.get("config.path"), pmi, fanout)
    except BootstrapError as exc:
        for line in (exc.strerror or "").splitlines():
            sys.stderr.write(f"flux-broker: {terminal_line(line)}\n")
        raise OSError(exc.errno, "bootstrap failed") from None
    check_quorum(attrs, topology.size)
    if topology.rank == 0:
        make_statedir(attrs)
    rundir = Rundir(attrs.get("rundir"), attrs.get("rundir-cleanup"))

    def finish() -> NoReturn:
        end_descendants(spared, FINISH_PATIENCE)
        rundir.remove()
        os._exit(1)

    emergency = Emergency(lifeline, finish)
    gc.set_threshold(60_000, 20, 20)  # jobs are many small objects, few of them cyclic garbage
    try:
        check_socket_paths(attrs, rundir.path, topology.rank)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            base_of = partial(Foundation, topology, attrs, config, options.verbose)
            wire = partial(wire_up, pmi, config, keys, rundir=rundir.path)
            define_identity(attrs, topology, rundir.path, os.environ)
            attrs.define("rundir-cleanup", str(int(rundir.created)), immutable=True)
            method = "config" if bootstrap else "simple" if pmi else "single"
            attrs.define("broker.boot-method", method, immutable=True)
            return runner.run(_live(options, base_of, wire, emergency))
    finally:
        end_descendants(spared)
        rundir.remove()
        emergency.over()


def _place(
    table: BootstrapConfig | None, path: str | None, pmi: Pmi | None, fanout: int
) -> tuple[Topology, KeyPair | None]:
    """Return this broker's place in the tree, and the keys that all brokers share if they do; the
    configuration, which is at ``path``, comes before PMI.
    """
    if table is not None:
        return placed(table, own_name(), fanout), certificate(table, path)
    return Topology(pmi.rank if pmi else 0, pmi.size if pmi else 1, fanout), None


async def _live(
    options: BrokerOptions,
    base_of: Callable[[], Foundation],
    wire: Callable[[Foundation], Overlay | None],
    emergency: Emergency,
) -> int:
    started = time.monotonic()
    base = base_of()
    os.environ["FLUX_URI"] = base.attrs.get("local-uri") or ""  # for whatever is started from here
    overlay = wire(base)
    if options.verbose:
        tell(*boot_lines(base.attrs, time.monotonic() - started))
    if options.verbose > 1:
        tell("entering event loop")
    code = await Broker(options, base, overlay, emergency).run()
    if options.verbose > 1:
        tell("exited event loop")
    return code
