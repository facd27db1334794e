"""Starting a broker: wire-up, event loop, exit code (flux-broker(1))."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any, NoReturn

from broker import configuration
from broker.bootstrap import Bootstrap
from broker.bootstrap.pmi import exchange
from broker.config import Options, Rundir, check_attributes, define_identity, initial_attributes
from broker.emergency import Emergency, take_lifeline
from broker.endpoint import new_id
from broker.instance import Broker
from broker.pmi import PmiClient
from broker.socket_path import check_socket_paths
from broker.subprocess.descendants import become_subreaper, children, end_descendants
from broker.topology import Topology

FINISH_PATIENCE = 0.2
"""Seconds that processes killed at the deadline of an emergency get to disappear."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop, which is four times as fast at small messages, or asyncio's own without it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run_broker(options: Options) -> int:
    """Run a broker to its end and return the exit code; raises OSError if it cannot start.

    Everything that the broker started and that is still there at its end is killed. Becomes a subreaper for that.
    """
    spared = frozenset(children())
    become_subreaper()
    lifeline = take_lifeline()
    attrs = initial_attributes(options)
    pmi = PmiClient.from_environment()
    fanout = check_attributes(attrs)
    config = configuration.load(attrs.get("config.path"))
    topology = Topology(pmi.rank if pmi else 0, pmi.size if pmi else 1, fanout)
    environ = dict(os.environ)
    rundir = Rundir(attrs.get("rundir"))

    def finish() -> NoReturn:
        end_descendants(spared, FINISH_PATIENCE)
        rundir.remove()
        os._exit(1)

    emergency = Emergency(lifeline, finish)
    gc.set_threshold(20_000, 20, 20)  # jobs are many small objects, few of them cyclic garbage
    try:
        check_socket_paths(attrs, rundir.path, topology.rank)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(
                _live(options, config, pmi, topology, attrs, rundir, environ, emergency)
            )
    finally:
        end_descendants(spared)
        rundir.remove()
        emergency.over()


async def _live(
    options: Options,
    config: configuration.Config,
    pmi: PmiClient | None,
    topology: Topology,
    attrs: Any,
    rundir: Rundir,
    environ: dict[str, str],
    emergency: Emergency,
) -> int:
    boot = Bootstrap()
    identity, keys = new_id(), None
    if pmi is not None and topology.size > 1:
        from broker.overlay.keys import KeyPair
        from broker.overlay.network import Overlay

        keys = KeyPair.generate()
        mapping = _mapping(pmi)
    define_identity(attrs, Bootstrap(topology.rank, topology.size), topology, rundir.path, environ)
    broker = Broker(
        options,
        Bootstrap(topology.rank, topology.size),
        topology,
        attrs,
        identity,
        emergency,
        config,
    )
    overlay = None
    if keys is not None and pmi is not None:
        overlay = Overlay(broker.router, identity, keys, broker.log)
        boot = exchange(
            pmi,
            topology,
            keys.public,
            lambda: _bind(overlay, topology, attrs, rundir.path, mapping),
        )
        boot.mapping = mapping
        broker.boot = boot
        for child, public in boot.child_keys.items():
            overlay.auth.allow(public, str(child))
        if boot.parent is not None:
            attrs.define("tbon.parent-endpoint", boot.parent[0], immutable=True)
            overlay.connect(*boot.parent)
        attrs.define("broker.mapping", mapping or None, immutable=True)
    elif pmi is not None:
        attrs.define("broker.mapping", _mapping(pmi) or None, immutable=True)
        pmi.finalize()
    return await broker.run(overlay)


def _mapping(pmi: PmiClient) -> str:
    try:
        return pmi.get("PMI_process_mapping")
    except OSError:
        return ""


def _bind(overlay: Any, topology: Topology, attrs: Any, rundir: str, mapping: str) -> str | None:
    """Open the children's endpoint: an ipc path when every broker is on this node, a TCP port else."""
    if not topology.children:
        attrs.define("tbon.endpoint", None, immutable=True)
        return None
    one_node = mapping.startswith("(vector,(0,1,") and mapping.count("(") == 2
    prefer_tcp = attrs.get("tbon.prefertcp") not in (None, "0")
    endpoint = attrs.get("tbon.endpoint")
    if endpoint is None:
        if one_node and not prefer_tcp:
            endpoint = f"ipc://{rundir}/tbon-{topology.rank}"
        else:
            endpoint = "tcp://127.0.0.1:*" if one_node else f"tcp://{_address()}:*"
    bound: str = overlay.bind(endpoint)
    attrs.define("tbon.endpoint", bound, immutable=True)
    return bound


def _address() -> str:
    """Return the address of this host that its name resolves to, for peers on other hosts."""
    import socket

    try:
        return socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)[0][4][0]  # type: ignore[return-value]
    except OSError:
        return "127.0.0.1"
