"""The blocking handle: messages, reactor and watchers; its modules are loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SUBMODULES = frozenset({"handle", "inner", "reactor", "watchers"})


def __getattr__(name: str) -> ModuleType:
    if name in SUBMODULES:
        return importlib.import_module(f"flux.core.{name}")
    raise AttributeError(f"module 'flux.core' has no attribute {name!r}")
