"""The list of active jobs that is kept beside the eventlogs, so that a restart reads those jobs
only.

The value at `ACTIVE_KEY` is text: ``max ID`` is the greatest job id ever given out, ``+ID`` a job
became active, ``-ID`` it became inactive. Each commit with such an event appends to it, so the list
and the eventlogs always agree, whatever root a restart finds. After `appends_before_rewrite`
appends it is written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.kvs_txn import APPEND
from flux.kvs_types import KvsPut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.services.job_manager.events import JournalEvent

ACTIVE_KEY: Final = "checkpoint.job-active"
_FEWEST_APPENDS: Final = 16
_MOST_APPENDS: Final = 256


def appends_before_rewrite(active: int) -> int:
    """Return how often the list is appended to before it is rewritten: longer lists less often."""
    return min(max(_FEWEST_APPENDS, active // 16), _MOST_APPENDS)


class ActiveIndex:
    """The jobs that are active as far as they are stored, or about to be with the commit under
    way.
    """

    def __init__(self) -> None:
        self.ids: dict[int, None] = {}
        self.max_jobid = 0
        self._appends = 0
        self._rewrite = True

    @classmethod
    def parse(cls, text: str) -> ActiveIndex:
        """Return the index that a stored list tells of; raises ValueError if it is not one."""
        index = cls()
        for line in text.splitlines():
            if line.startswith("max "):
                index._saw(int(line[4:]))
            elif line.startswith("+"):
                index.add(int(line[1:]))
            elif line.startswith("-"):
                index.ids.pop(int(line[1:]), None)
            else:
                raise ValueError("not a list of active jobs")
        return index

    def _saw(self, id: int) -> None:
        self.max_jobid = max(self.max_jobid, id)

    def add(self, id: int) -> None:
        """A job is active."""
        self.ids[id] = None
        self._saw(id)

    def discard(self, id: int) -> None:
        """A job is not known after all."""
        self.ids.pop(id, None)
        self._rewrite = True

    def uncertain(self) -> None:
        """A commit failed, so that nobody knows what is stored: the next one writes the whole
        list.
        """
        self._rewrite = True

    def operations(self, events: Iterable[JournalEvent]) -> list[KvsPut]:
        """Return the operation, if any, that keeps the list up to date with a commit of
        ``events``.
        """
        lines = []
        for event in events:
            name, id = event.entry["name"], event.job.id
            if name == "submit":
                self.add(id)
                lines.append(f"+{id}\n")
            elif name == "clean":
                self.ids.pop(id, None)
                lines.append(f"-{id}\n")
        if not lines:
            return []
        if self._rewrite or self._appends >= appends_before_rewrite(len(self.ids)):
            self._appends, self._rewrite = 0, False
            return [KvsPut(ACTIVE_KEY, self.text().encode())]
        self._appends += 1
        return [KvsPut(ACTIVE_KEY, "".join(lines).encode(), APPEND)]

    def text(self) -> str:
        """Return the whole list."""
        return f"max {self.max_jobid}\n" + "".join(f"+{id}\n" for id in self.ids)
