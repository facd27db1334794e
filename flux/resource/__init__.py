"""Resource sets: R version 1 of RFC 20 (the flux.resource package of the manual)."""

from __future__ import annotations

from flux.resource.ResourceSet import ResourceSet as ResourceSet
from flux.resource.ResourceSetImplementation import (
    ResourceSetImplementation as ResourceSetImplementation,
)
from flux.resource.Rlist import Rlist as Rlist

__all__ = ["ResourceSet", "ResourceSetImplementation", "Rlist"]
