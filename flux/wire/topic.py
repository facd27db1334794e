"""Globs that match topic strings (RFC 3)."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(glob: str | None, topic: str | None) -> bool:
    """Whether ``topic`` is matched by ``glob``; no glob matches everything."""
    if not glob or glob == "*":
        return True
    return topic is not None and fnmatchcase(topic, glob)
