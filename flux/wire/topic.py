"""Topic strings: ``service.method``, and the globs that match them (RFC 3)."""

from __future__ import annotations

from fnmatch import fnmatchcase


def services(topic: str) -> list[str]:
    """Return the service names that could serve ``topic``, the longest first: ``a.b.c`` may be served by ``a.b`` or ``a``."""
    names: list[str] = []
    end = topic.rfind(".")
    while end > 0:
        names.append(topic[:end])
        end = topic.rfind(".", 0, end)
    return names


def matches(glob: str | None, topic: str | None) -> bool:
    """Whether ``topic`` is matched by ``glob``; no glob matches everything."""
    if not glob or glob == "*":
        return True
    return topic is not None and fnmatchcase(topic, glob)
