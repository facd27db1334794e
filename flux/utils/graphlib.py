"""The ``graphlib`` of the standard library."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

__all__ = ["CycleError", "TopologicalSorter"]
