"""Keeps the log readable while somebody tries again and again to connect who may not."""

from __future__ import annotations

PERIOD = 10.0
"""Seconds between two lines about the same kind of refusal."""


class Refusals:
    """Decides which refused connections get a line in the log: the first of a kind, then one every
    `PERIOD` with the count.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[float, int]] = {}

    def line(self, kind: str, now: float) -> str | None:
        """Return the line for a refusal of ``kind`` at ``now`` (seconds), None if it is only
        counted.
        """
        last, unsaid = self._kinds.get(kind, (now - PERIOD, 0))
        if now - last < PERIOD:
            self._kinds[kind] = (last, unsaid + 1)
            return None
        self._kinds[kind] = (now, 0)
        return f"overlay: {kind}" + (f" ({unsaid} more since the last line)" if unsaid else "")
