"""What happens to the resources: the journal of the resource module (RFC 28), for the instance
owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.abc.journal import JournalConsumerBase, JournalEventBase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject

JOURNAL: Final = "resource.journal"
DEFINE: Final = "resource-define"


class ResourceJournalEvent(JournalEventBase):
    """An event of the resources; ``R``, the instance's resources, comes with ``resource-define``
    and is None otherwise. Raises ValueError as `EventLogEvent` does.
    """

    def __init__(
        self,
        event: Mapping[str, object] | str | bytes,
        R: JsonObject | None = None,  # noqa: N803 - the name of the field
    ) -> None:
        super().__init__(event)
        self.R = R if self.get("name") == DEFINE else None


class ResourceJournalConsumer(JournalConsumerBase[ResourceJournalEvent]):
    """Follows the events of the resources, the past first; how is said at `JournalConsumerBase`.

    The leader is asked, whatever broker the handle is connected to.
    """

    SENTINEL_EVENT = ResourceJournalEvent({})
    nodeid = 0

    def __init__(
        self, flux_handle: Requester, since: float = 0.0, include_sentinel: bool = False
    ) -> None:
        super().__init__(flux_handle, JOURNAL, None, True, since, include_sentinel)

    def process_response(self, resp: JsonObject) -> JsonObject:
        """Return R, if the answer has it."""
        return {"R": resp["R"]} if "R" in resp else {}

    def create_event(
        self,
        entry: JsonObject,
        R: JsonObject | None = None,  # noqa: N803 - the name of the field
    ) -> ResourceJournalEvent:
        """Return the event of an entry; raises ValueError if it is malformed."""
        return ResourceJournalEvent(entry, R if isinstance(R, dict) else None)
