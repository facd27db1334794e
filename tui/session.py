"""One instance that the dashboard is connected to: its feed, its model, the work that follows it.

The application holds one for each tab, and one more for each sub-instance that was entered: that
one has a ``parent`` and ends when it is left.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard


def _told_by(uri: str) -> str:
    """Return what tells an instance from others as long as it has not answered: its host, or the
    directory of its socket.
    """
    _, _, place = uri.partition("://")
    host, _, path = place.partition("/")
    return host.rpartition("@")[2] or PurePosixPath(path).parent.name or path


class Session:
    """``feed`` fills ``dashboard`` from `start` to `close`; ``name`` is what tabs and crumbs call
    it, empty for the name of its host.
    """

    def __init__(
        self, feed: Feed, dashboard: Dashboard, name: str = "", parent: Session | None = None
    ) -> None:
        self.feed = feed
        self.dashboard = dashboard
        self.parent = parent
        self.painted = (-1, 0)
        """Revision of the model and second of the clock that were painted last."""
        self._name = name
        self._following: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What people call the instance."""
        instance = self.dashboard.instance
        uri = instance.uri or self.feed.uri
        return self._name or instance.hostname or _told_by(uri) or "flux"

    def start(self) -> None:
        """Begin to follow the instance."""
        if self._following is None:
            self._following = asyncio.create_task(self.feed.run(self.dashboard), name="feed")
            self._following.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A feed never ends by itself; if it does, it is our fault, and the program must say so."""
        if not task.cancelled() and task.exception() is not None:
            self.dashboard.set_link(False, f"internal error: {task.exception()!r}")

    async def close(self) -> None:
        """End the connection."""
        # The feed first: it would take our closing for a lost connection and connect again.
        if self._following is not None:
            self._following.cancel()
        await self.feed.close()
