"""What stays of an instance when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.attributes import Attributes


def store_outlives(attrs: Attributes, rundir: str) -> bool:
    """Return whether the content store is kept beyond the instance: ``content.backing-path`` leads
    out of the run directory.
    """
    path = attrs.get("content.backing-path")
    return bool(path) and not str(path).startswith(f"{rundir}/")


def jobs_outlive(attrs: Attributes, rundir: str) -> bool:
    """Return whether jobs that wait may run in a later instance: in one over the same store, or
    over the archive that is written at the end.
    """
    return store_outlives(attrs, rundir) or bool(attrs.get("content.dump"))
