"""The built-in modules and the order in which rc1 loads them: the table of ``flux.modules``."""

from __future__ import annotations

from flux.modules import HIDDEN, MODULES, BuiltIn

__all__ = ["HIDDEN", "MODULES", "BuiltIn"]
