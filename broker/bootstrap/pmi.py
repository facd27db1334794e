"""Wire-up by PMI-1: each broker publishes its endpoint and key, and after a barrier reads those of
its neighbours (RFC 13)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from broker.bootstrap import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.bootstrap import Pmi
    from broker.topology import Topology


_SAFE: Final = ":/*[]@,+=~"
"""What an endpoint shows as it is; blanks above all have another form."""


def card_key(rank: int) -> str:
    """Return the PMI key of a rank's business card."""
    return f"fluxctl.{rank}"


def card(public_key: str, endpoint: str) -> str:
    """Return the business card of a broker that listens at ``endpoint``, ``-`` for nowhere."""
    return f"{public_key},{quote(endpoint, safe=_SAFE)}"


def exchange(
    pmi: Pmi, topology: Topology, public_key: str, bind: Callable[[], str | None]
) -> Bootstrap:
    """Exchange business cards through ``pmi``.

    ``bind`` opens the children's endpoint and returns it, None for a leaf. Raises OSError if the
    manager refuses or a card is malformed.
    """
    endpoint = bind() or "-"
    pmi.put(card_key(topology.rank), card(public_key, endpoint))
    pmi.barrier()
    result = Bootstrap()
    if topology.parent is not None:
        key, parent_endpoint = _card(pmi, topology.parent)
        result.parent = (parent_endpoint, key)
    for child in topology.children:
        result.child_keys[child] = _card(pmi, child)[0]
    pmi.barrier()
    pmi.finalize()
    return result


def _card(pmi: Pmi, rank: int) -> tuple[str, str]:
    key, comma, endpoint = pmi.get(card_key(rank)).partition(",")
    if not comma:
        raise OSError(errno.EPROTO, f"rank {rank} published no endpoint")
    return key, unquote(endpoint)
