"""What the screen of queues asks an instance."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from flux.wire.errors import may_be_unknown
from tui.model.queues import ListedQueue, QueueCounts, count_all, count_by_queue, queue

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from tui.feed.base import Feed
    from tui.model.rates import Rates
    from tui.model.table import JobTable

QUERY = {"query_only": True, "enable": False, "reason": ""}


async def read_queues(feed: Feed, table: JobTable, rates: Rates, now: float) -> list[ListedQueue]:
    """Return all queues, the one without a name where there are none with one; raises OSError."""
    try:
        names = (await feed.ask("job-manager.queue-list")).get("queues") or []
    except OSError as error:
        if not may_be_unknown(error.errno):
            raise
        names = []
    config = await _config(feed)
    states = await asyncio.gather(*(_status(feed, name) for name in names or [""]))
    counts = count_by_queue(table) if names else {"": count_all(table)}
    found = []
    for name, status in zip(names or [""], states, strict=True):
        own = counts.get(name, QueueCounts())
        rate = rates.note(name, own.over, now)
        found.append(replace(queue(name, status, config, own), rate=rate))
    rates.keep(names or [""])
    return found


async def _config(feed: Feed) -> JsonObject:
    """Return the configuration; flux-core 0.29 has none to tell."""
    try:
        return await feed.ask("config.get")
    except OSError:
        return {}


async def _status(feed: Feed, name: str) -> JsonObject:
    """Return whether a queue takes and starts jobs; 0.29 has two requests for its only one."""
    try:
        return await feed.ask("job-manager.queue-status", {"name": name} if name else {})
    except OSError as error:
        if not may_be_unknown(error.errno):
            raise
    submit, alloc = await asyncio.gather(
        feed.ask("job-manager.submit-admin", QUERY), feed.ask("job-manager.alloc-admin", QUERY)
    )
    return {
        "enable": submit["enable"],
        "disable_reason": submit.get("reason"),
        "start": alloc["enable"],
        "stop_reason": alloc.get("reason"),
    }


async def set_enabled(feed: Feed, name: str, on: bool, reason: str) -> None:
    """Have a queue take jobs, or refuse them for a reason; raises OSError."""
    await _set(feed, "job-manager.queue-enable", "enable", name, on, reason)


async def set_started(feed: Feed, name: str, on: bool, reason: str) -> None:
    """Have a queue start jobs, or hold them back for a reason; raises OSError."""
    await _set(feed, "job-manager.queue-start", "start", name, on, reason)


async def _set(feed: Feed, topic: str, switch: str, name: str, on: bool, reason: str) -> None:
    payload: JsonObject = {switch: on, "all": False, "nocheckpoint": False}
    if name:
        payload["name"] = name
    if reason and not on:
        payload["reason"] = reason
    try:
        await feed.ask(topic, payload, rank=0)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        old = "submit-admin" if switch == "enable" else "alloc-admin"
        request = {"query_only": False, "enable": on, "reason": "" if on else reason}
        await feed.ask(f"job-manager.{old}", request)
