"""Starting a broker: wire-up, event loop, exit code (flux-broker(1))."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from typing import TYPE_CHECKING, NoReturn

from broker import configuration
from broker.bootstrap.wireup import wire_up
from broker.config import (
    BrokerOptions,
    Rundir,
    check_attributes,
    check_quorum,
    define_identity,
    initial_attributes,
)
from broker.emergency import Emergency, take_lifeline
from broker.foundation import Foundation
from broker.instance import Broker
from broker.pmi_client import PmiClient
from broker.socket_path import check_socket_paths
from broker.subprocess.descendants import become_subreaper, children, end_descendants
from broker.topology import Topology
from broker.verbose import boot_lines, tell

if TYPE_CHECKING:
    from broker.attributes import Attributes

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
    pmi = PmiClient.from_environment()
    fanout = check_attributes(attrs)
    config = configuration.load(attrs.get("config.path"))
    topology = Topology(pmi.rank if pmi else 0, pmi.size if pmi else 1, fanout)
    check_quorum(attrs, topology.size)
    rundir = Rundir(attrs.get("rundir"))

    def finish() -> NoReturn:
        end_descendants(spared, FINISH_PATIENCE)
        rundir.remove()
        os._exit(1)

    emergency = Emergency(lifeline, finish)
    gc.set_threshold(60_000, 20, 20)  # jobs are many small objects, few of them cyclic garbage
    try:
        check_socket_paths(attrs, rundir.path, topology.rank)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(_live(options, pmi, topology, attrs, config, rundir.path, emergency))
    finally:
        end_descendants(spared)
        rundir.remove()
        emergency.over()


async def _live(
    options: BrokerOptions,
    pmi: PmiClient | None,
    topology: Topology,
    attrs: Attributes,
    config: configuration.Config,
    rundir: str,
    emergency: Emergency,
) -> int:
    started = time.monotonic()
    define_identity(attrs, topology, rundir, os.environ)
    os.environ["FLUX_URI"] = attrs.get("local-uri") or ""  # for whatever is started from here
    base = Foundation(topology, attrs, config, options.verbose)
    overlay = wire_up(pmi, base, rundir)
    if options.verbose:
        tell(*boot_lines(attrs, time.monotonic() - started))
    if options.verbose > 1:
        tell("entering event loop")
    code = await Broker(options, base, overlay, emergency).run()
    if options.verbose > 1:
        tell("exited event loop")
    return code
