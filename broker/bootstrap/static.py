"""Bootstrap by configuration: rank, size and neighbours from ``[bootstrap]``
(flux-config-bootstrap(5))."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from broker.configuration import setting_error
from broker.configuration.bootstrap import BootstrapError
from broker.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.configuration.bootstrap import BootstrapConfig
    from broker.overlay.keys import KeyPair


def own_name(environ: Mapping[str, str] | None = None) -> str:
    """Return the name by which this broker finds itself: FLUX_FAKE_HOSTNAME, or the host's."""
    env = os.environ if environ is None else environ
    return env.get("FLUX_FAKE_HOSTNAME") or socket.gethostname()


def placed(table: BootstrapConfig, name: str, fanout: int) -> Topology:
    """Return the place of the broker on the host ``name``; without hosts it is alone.

    Raises BootstrapError if the host is not listed, or if there are several and no certificate.
    """
    if not table.hosts:
        return Topology(0, 1, fanout)
    topology = Topology(table.rank_of(name), len(table.hosts), fanout)
    if topology.size > 1 and table.curve_cert is None:
        text = "Config file error [bootstrap] curve_cert is required for size > 1"
        raise BootstrapError(errno.EINVAL, text)
    return topology


def certificate(table: BootstrapConfig, path: str | None = None) -> KeyPair | None:
    """Return the keys of the certificate that the brokers share, None if there is none.

    Raises BootstrapError, with its place in the configuration at ``path``, if it cannot be read or
    may not be trusted.
    """
    if table.curve_cert is None:
        return None
    from broker.overlay.certificate import read_certificate

    try:
        return read_certificate(table.curve_cert)
    except OSError as exc:
        wrong = setting_error(path, ("bootstrap", "curve_cert"), exc)
        raise BootstrapError(exc.errno, wrong.strerror) from None


def check_bootstrap(table: BootstrapConfig, path: str | None, fanout: int) -> None:
    """Raise BootstrapError if a broker with this table on this host could not start."""
    topology = placed(table, own_name(), fanout)
    certificate(table, path)
    if topology.children:
        table.bind(topology.rank)
    if topology.parent is not None:
        table.connect(topology.parent)
