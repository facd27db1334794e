"""The links of a broker: from what PMI or the configuration tells to an overlay network that is
ready to start."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from broker.bootstrap.pmi import exchange

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.configuration.bootstrap import BootstrapConfig
    from broker.foundation import Foundation
    from broker.overlay.keys import KeyPair
    from broker.overlay.network import Overlay
    from broker.pmi_client import PmiClient


def wire_up(
    pmi: PmiClient | None, config: Config, keys: KeyPair | None, base: Foundation, rundir: str
) -> Overlay | None:
    """Return this broker's overlay, bound and connected; None for an instance of one broker.

    Where the configuration tells of the brokers, this one waits for none of the others, and
    ``keys`` are those of all. With PMI it blocks until every broker of the instance has come so
    far. Defines the attributes that tell about it. Raises OSError if the process manager refuses,
    a broker's card is malformed, or the endpoint cannot be bound.
    """
    if config.bootstrap is not None:
        overlay = _by_configuration(config.bootstrap, config, keys, base)
        if pmi is not None:
            pmi.finalize()
        return overlay
    if pmi is None:
        base.attrs.default("tbon.endpoint", None, immutable=True)
        return None
    return _by_pmi(pmi, config, base, rundir)


def _by_configuration(
    table: BootstrapConfig, config: Config, keys: KeyPair | None, base: Foundation
) -> Overlay | None:
    topology, attrs = base.topology, base.attrs
    attrs.define("config.hostlist", table.hostlist, immutable=True)
    bound: str | None = None
    overlay: Overlay | None = None
    if topology.size > 1 and keys is not None:
        from broker.overlay.network import Overlay
        from broker.overlay.sockets import Tuning

        tuning = Tuning.of(config.tbon, ipv6=table.enable_ipv6)
        overlay = Overlay(base.router, base.identity, keys, base.log, tuning)
        if topology.children:
            overlay.auth.allow(keys.public, "child")
            bound = table.bind(topology.rank)
            overlay.bind(bound)
        if topology.parent is not None:
            parent = table.connect(topology.parent)
            attrs.define("tbon.parent-endpoint", parent, immutable=True)
            overlay.connect(parent, keys.public)
    attrs.define("tbon.endpoint", bound, immutable=True)
    return overlay


def _by_pmi(pmi: PmiClient, config: Config, base: Foundation, rundir: str) -> Overlay | None:
    mapping = _mapping(pmi)
    base.attrs.define("broker.mapping", mapping or None, immutable=True)
    if base.topology.size == 1:
        pmi.finalize()
        base.attrs.default("tbon.endpoint", None, immutable=True)
        return None
    # A broker that is alone never pays for ZeroMQ.
    from broker.overlay.keys import KeyPair
    from broker.overlay.network import Overlay
    from broker.overlay.sockets import Tuning

    tuning = Tuning.of(config.tbon, ipv6=False)
    overlay = Overlay(base.router, base.identity, KeyPair.generate(), base.log, tuning)
    card = overlay.keys.public
    boot = exchange(pmi, base.topology, card, lambda: _bind(overlay, base, rundir, mapping))
    for child, public in boot.child_keys.items():
        overlay.auth.allow(public, str(child))
    if boot.parent is not None:
        base.attrs.define("tbon.parent-endpoint", boot.parent[0], immutable=True)
        overlay.connect(*boot.parent)
    return overlay


def _mapping(pmi: PmiClient) -> str:
    try:
        return pmi.get("PMI_process_mapping")
    except OSError:
        return ""


def _bind(overlay: Overlay, base: Foundation, rundir: str, mapping: str) -> str | None:
    """Open the children's endpoint: an ipc path when every broker is on this node, otherwise a TCP
    port.
    """
    if not base.topology.children:
        base.attrs.define("tbon.endpoint", None, immutable=True)
        return None
    one_node = mapping.startswith("(vector,(0,1,") and mapping.count("(") == 2
    prefer_tcp = base.attrs.get("tbon.prefertcp") not in (None, "0")
    endpoint = base.attrs.get("tbon.endpoint")
    if endpoint is None:
        if one_node and not prefer_tcp:
            endpoint = f"ipc://{rundir}/tbon-{base.topology.rank}"
        else:
            endpoint = "tcp://127.0.0.1:*" if one_node else f"tcp://{_address()}:*"
    bound = overlay.bind(endpoint)
    base.attrs.define("tbon.endpoint", bound, immutable=True)
    return bound


def _address() -> str:
    """Return the address of this host that its name resolves to, for peers on other hosts."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        return "127.0.0.1"
    return str(found[0][4][0])
