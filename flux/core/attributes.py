"""Attributes of a broker that need not be set."""

from __future__ import annotations

from typing import Protocol


class AttributeReader(Protocol):
    """What knows the attributes of a broker."""

    def attr_get(self, attr_name: str, /) -> str:
        """Return an attribute; raises FileNotFoundError if it is not set."""


def attribute_of(handle: AttributeReader, name: str) -> str | None:
    """Return a broker attribute, None if it is not set; raises OSError if the broker cannot be
    asked.
    """
    try:
        return handle.attr_get(name)
    except FileNotFoundError:
        return None
