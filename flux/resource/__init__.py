"""Resource sets: R version 1 of RFC 20 (the flux.resource package of the manual).

Names and modules are loaded on first use, ``flux.resource.list`` for instance.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.resource.journal import ResourceJournalConsumer as ResourceJournalConsumer
    from flux.resource.list import (
        DrainInfo as DrainInfo,
    )
    from flux.resource.list import (
        ResourceListRPC as ResourceListRPC,
    )
    from flux.resource.list import (
        ResourceStatus as ResourceStatus,
    )
    from flux.resource.list import (
        SchedResourceList as SchedResourceList,
    )
    from flux.resource.list import (
        resource_list as resource_list,
    )
    from flux.resource.ResourceCount import ResourceCount as ResourceCount
    from flux.resource.ResourceSet import ResourceSet as ResourceSet
    from flux.resource.ResourceSetImplementation import (
        ResourceSetImplementation as ResourceSetImplementation,
    )
    from flux.resource.Rlist import Rlist as Rlist
    from flux.resource.Rv1Set import Rv1Set as Rv1Set
    from flux.resource.status import resource_status as resource_status

_HOME = {
    "DrainInfo": "list",
    "ResourceCount": "ResourceCount",
    "ResourceJournalConsumer": "journal",
    "ResourceListRPC": "list",
    "ResourceSet": "ResourceSet",
    "ResourceSetImplementation": "ResourceSetImplementation",
    "ResourceStatus": "list",
    "Rlist": "Rlist",
    "Rv1Set": "Rv1Set",
    "SchedResourceList": "list",
    "resource_list": "list",
    "resource_status": "status",
}

SUBMODULES = frozenset({"journal", "list", "status"})
"""Modules that are reached as an attribute without an import of their own."""

__all__ = sorted(_HOME)


class _ResourcePackage(ModuleType):
    """Lets ``flux.resource.Rlist`` be the class although ``flux/resource/Rlist.py`` is a module."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> object:
        """Import the module that defines `name`, or is called so; AttributeError if there is
        neither.
        """
        if name in SUBMODULES:
            return import_module(f"flux.resource.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'flux.resource' has no attribute {name!r}")
        value = getattr(import_module(f"flux.resource.{_HOME[name]}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *_HOME, *SUBMODULES})


sys.modules[__name__].__class__ = _ResourcePackage
