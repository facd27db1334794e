"""The ``tomllib`` of the standard library, by the name of the package that it was."""

from __future__ import annotations

from tomllib import TOMLDecodeError, load, loads

__all__ = ["TOMLDecodeError", "load", "loads"]
