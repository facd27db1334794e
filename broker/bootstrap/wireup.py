"""The links of a broker: from what PMI or the configuration tells to an overlay network that is
ready to start."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from broker.bootstrap.pmi import exchange
from broker.pmi_client import PmiClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.attributes import Attributes
    from broker.bootstrap import Pmi
    from broker.configuration import Config
    from broker.configuration.bootstrap import BootstrapConfig
    from broker.foundation import Foundation
    from broker.overlay.keys import KeyPair
    from broker.overlay.network import Overlay


ELSEWHERE: Final = "192.0.2.1"
"""An address of documentation (RFC 5737), which is nobody's."""


def find_pmi(environ: Mapping[str, str]) -> Pmi | None:
    """Return the process manager's PMI: on a descriptor (RFC 13), or by Slurm's library; None if
    there is none.
    """
    client = PmiClient.from_environment(environ)
    if client is not None:
        return client
    if "SLURM_STEP_ID" not in environ:
        return None
    from broker.bootstrap.library import PmiLibrary

    return PmiLibrary.from_environment(environ)


def wire_up(
    pmi: Pmi | None, config: Config, keys: KeyPair | None, base: Foundation, rundir: str
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

        tuning = Tuning.of(config.tbon, ipv6=table.enable_ipv6, patient=True)
        overlay = Overlay(base.router, base.identity, keys, base.log, tuning)
        overlay.trace = _is_traced(attrs)
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


def _by_pmi(pmi: Pmi, config: Config, base: Foundation, rundir: str) -> Overlay | None:
    mapping = _mapping(pmi)
    base.attrs.define("broker.mapping", mapping or None, immutable=True)
    if base.topology.size == 1:
        pmi.finalize()
        base.attrs.default("tbon.endpoint", None, immutable=True)
        return None
    # A broker that is alone never pays for ZeroMQ.
    from broker.overlay.keys import take_keys
    from broker.overlay.network import Overlay
    from broker.overlay.sockets import Tuning

    tuning = Tuning.of(config.tbon)
    keys, promised = take_keys(os.environ)
    if promised is not None:
        base.attrs.define("tbon.endpoint", promised)
    overlay = Overlay(base.router, base.identity, keys, base.log, tuning)
    overlay.trace = _is_traced(base.attrs)
    card = overlay.keys.public
    boot = exchange(pmi, base.topology, card, lambda: _bind(overlay, base, rundir, mapping))
    for child, public in boot.child_keys.items():
        overlay.auth.allow(public, str(child))
    if boot.parent is not None:
        base.attrs.define("tbon.parent-endpoint", boot.parent[0], immutable=True)
        overlay.connect(*boot.parent)
    return overlay


def _is_traced(attrs: Attributes) -> bool:
    return int(attrs.get("tbon.zmqdebug") or 0) != 0


def _mapping(pmi: Pmi) -> str:
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
    prefer_tcp = int(base.attrs.get("tbon.prefertcp") or 0) != 0
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
    """Return the address of this host for peers on other hosts: what its name resolves to, unless
    that is the loopback as in the files of some systems; then that of the way to other networks.
    """
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        found = []
    addresses = [str(entry[4][0]) for entry in found]
    outside = [address for address in addresses if not address.startswith("127.")]
    if outside:
        return outside[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE, 9))  # nothing is sent: the kernel only looks for the way
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
