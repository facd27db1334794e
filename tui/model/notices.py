"""What an instance has to say of itself before its jobs are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model.format import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonMapping


def queue_notices(queues: Iterable[tuple[str, JsonMapping]]) -> list[str]:
    """Return a sentence for each switch of a queue that is off, out of the queues' names (empty for
    the one without) and the answers of ``job-manager.queue-status``.
    """
    found = []
    for name, status in queues:
        queue = f"queue {name}" if name else "the queue"
        for switch, reason, words in (
            ("start", "stop_reason", "is stopped"),
            ("enable", "disable_reason", "takes no submissions"),
        ):
            if status.get(switch) is False:
                why = status.get(reason)
                found.append(printable(f"{queue} {words}" + (f": {why}" if why else "")))
    return found
