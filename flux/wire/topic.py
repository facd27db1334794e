"""Topic strings (RFC 3): globs that match them, and those whose name depends on the broker's
version.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

SUBSCRIBE: Final = ("local.sub", "event.subscribe")
"""Topics that ask for events. Brokers of 0.29 know the first, later ones the second: ENOSYS means
to try the next.
"""

UNSUBSCRIBE: Final = ("local.unsub", "event.unsubscribe")
"""Topics that undo one of `SUBSCRIBE`, in the same order."""


def matches(glob: str | None, topic: str | None) -> bool:
    """Whether ``topic`` is matched by ``glob``; no glob matches everything."""
    if not glob or glob == "*":
        return True
    return topic is not None and fnmatchcase(topic, glob)
