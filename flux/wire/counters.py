"""How many messages of each type a module has sent and received, as ``flux module stats`` shows
them (flux-module(1)).
"""

from __future__ import annotations

from typing import Final

from flux.wire.message import CONTROL, EVENT, REQUEST, RESPONSE

_NAMES: Final = {REQUEST: "request", RESPONSE: "response", EVENT: "event", CONTROL: "keepalive"}


class MessageCounters:
    """Counts by type of message, ``tx`` of what was sent and ``rx`` of what was received."""

    __slots__ = ("rx", "tx")

    def __init__(self) -> None:
        self.tx = dict.fromkeys(_NAMES, 0)
        self.rx = dict.fromkeys(_NAMES, 0)

    def clear(self) -> None:
        """Begin again at 0."""
        for counts in (self.tx, self.rx):
            counts.update(dict.fromkeys(counts, 0))

    def as_object(self) -> dict[str, int]:
        """Return the counts by the names that users know, such as ``#request (tx)``."""
        return {
            f"#{name} ({way})": counts[kind]
            for kind, name in _NAMES.items()
            for way, counts in (("tx", self.tx), ("rx", self.rx))
        }
