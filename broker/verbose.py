"""What a broker tells its user with ``-v``: lines of its own on standard error, not of the log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.attributes import Attributes


def boot_lines(attrs: Attributes, seconds: float) -> list[str]:
    """Return where the broker has its place and whom it is connected with, ``seconds`` after its
    start.
    """
    return [
        f"boot: rank={attrs.get('rank')} size={attrs.get('size')} time {seconds:.3f}s",
        f"parent: {attrs.get('tbon.parent-endpoint') or 'none'}",
        f"child: {attrs.get('tbon.endpoint') or 'none'}",
    ]


def tell(*lines: str) -> None:
    """Write lines to standard error, if there is one."""
    try:
        sys.stderr.write("".join(f"flux-broker: {line}\n" for line in lines))
        sys.stderr.flush()
    except (OSError, ValueError):
        return
