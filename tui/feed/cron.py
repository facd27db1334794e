"""What the screen of cron entries asks an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model.cron import CronRow, entries

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from tui.feed.base import Feed


async def read_entries(feed: Feed) -> list[CronRow]:
    """Return all entries; raises OSError."""
    return entries(await feed.ask("cron.list", {}, rank=0))


async def read_sync(feed: Feed) -> str:
    """Return what entries wait for before they run, empty if nothing; raises OSError."""
    answer = await feed.ask("cron.sync", {}, rank=0)
    return "" if answer.get("sync_disabled") else str(answer.get("sync_event") or "")


async def stop(feed: Feed, entry: CronRow) -> None:
    """Have an entry not run any more; raises OSError."""
    await feed.ask("cron.stop", {"id": entry.id}, rank=0)


async def start(feed: Feed, entry: CronRow) -> None:
    """Have a stopped entry run again; raises OSError."""
    await feed.ask("cron.start", {"id": entry.id}, rank=0)


async def delete(feed: Feed, entry: CronRow) -> None:
    """Forget an entry, and end its command if that runs; raises OSError."""
    await feed.ask("cron.delete", {"id": entry.id, "kill": True}, rank=0)


async def set_sync(feed: Feed, topic: str) -> None:
    """Have entries wait for an event of ``topic`` before they run, for none if it is empty; raises
    OSError.
    """
    payload: JsonObject = {"topic": topic} if topic else {"disable": True}
    await feed.ask("cron.sync", payload, rank=0)
