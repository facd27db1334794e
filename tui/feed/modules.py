"""What the screen of modules asks a broker."""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Final

from flux.wire.errors import may_be_unknown
from tui.model.modules import PLUGIN, Module, modules, plugins, with_plugins

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from tui.feed.base import Feed
    from tui.model.rates import Rates

NO_REPLY_SECONDS: Final = 3.0
"""How long a round trip may take."""


async def _either(
    feed: Feed, topics: tuple[str, ...], payload: JsonObject | None, rank: int
) -> JsonObject:
    """Ask for the first of some topics that the broker knows: flux-core has renamed them. Raises
    OSError.
    """
    refusal: OSError | None = None
    for topic in topics:
        try:
            return await feed.ask(topic, payload, rank=rank)
        except OSError as error:
            # One that is known, and not for this user, is refused in the first words.
            refusal = refusal if refusal and refusal.errno == errno.EPERM else error
            if not may_be_unknown(error.errno):
                break
    assert refusal is not None
    raise refusal


async def read_modules(feed: Feed, rank: int, rates: Rates, now: float) -> list[Module]:
    """Return the modules of a rank with their figures, and the plugins of its job manager; raises
    OSError.
    """
    listed = await _either(feed, ("broker.lsmod", "module.list"), None, rank)
    names = [str(told["name"]) for told in listed["mods"]]
    answers = await asyncio.gather(*(stats_or_none(feed, name, rank) for name in names))
    found = modules(listed, dict(zip(names, answers, strict=True)), rates, now)
    rates.keep((module.name, way) for module in found for way in ("tx", "rx"))
    return with_plugins(found, await _plugins(feed) if "job-manager" in names else [])


async def _plugins(feed: Feed) -> list[Module]:
    try:
        return plugins(await feed.ask("job-manager.jobtap", {"query_only": True}))
    except OSError:
        return []


async def stats_or_none(feed: Feed, name: str, rank: int) -> JsonObject:
    """Return the statistics of a module, nothing if it does not give any. Today's name goes first:
    the older one, which ours knows as well, leaves the counters of messages out of some.
    """
    try:
        return await _either(feed, (f"{name}.stats-get", f"{name}.stats.get"), None, rank)
    except OSError:
        return {}


async def usage(feed: Feed, rank: int) -> JsonObject:
    """Return what a broker has used, as getrusage(2) tells; nothing if it does not say."""
    try:
        return await feed.ask("broker.rusage", rank=rank)
    except OSError:
        return {}


async def ping(feed: Feed, name: str, rank: int, number: int) -> float:
    """Return how long a round trip takes, in seconds; raises OSError."""
    begin = time.perf_counter()
    payload = {"seq": number, "time.tv_sec": int(time.time()), "time.tv_nsec": 0, "pad": ""}
    await feed.ask(f"{name}.ping", payload, rank=rank, timeout=NO_REPLY_SECONDS)
    return time.perf_counter() - begin


async def debug_flags(feed: Feed, name: str, rank: int) -> int:
    """Return the debug flags of a module; raises OSError."""
    return int((await feed.ask(f"{name}.debug", {"op": "setbit", "flags": 0}, rank=rank))["flags"])


async def set_debug_flags(feed: Feed, name: str, rank: int, flags: int) -> None:
    """Set the debug flags of a module; raises OSError."""
    await feed.ask(f"{name}.debug", {"op": "set", "flags": flags}, rank=rank)


async def remove(feed: Feed, module: Module, rank: int) -> None:
    """Unload a module, or a plugin; raises OSError."""
    if module.kind == PLUGIN:
        await feed.ask("job-manager.jobtap", {"remove": module.name})
    else:
        topics = ("broker.rmmod", "module.remove")
        await _either(feed, topics, {"name": module.name}, rank)


async def reload(feed: Feed, module: Module, rank: int) -> None:
    """Unload a module and load it again as it was; raises OSError, before anything is done if the
    broker cannot load it: flux-core 0.29 does not tell where its modules come from.
    """
    if module.path and not module.path.startswith("/"):
        raise OSError(errno.EINVAL, "it is a part of the broker and cannot be loaded again")
    if module.path:
        await feed.ask("module.remove", {"name": module.name}, rank=rank)
        await feed.ask("module.load", {"path": module.path, "args": []}, rank=rank)
        return
    try:  # one that is loaded is refused, by brokers that know the request
        await feed.ask("broker.restore-module", {"name": module.name}, rank=rank)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            reason = "this broker does not tell where the module comes from"
            raise OSError(errno.ENOSYS, reason) from None
    await feed.ask("broker.rmmod", {"name": module.name}, rank=rank)
    await feed.ask("broker.restore-module", {"name": module.name}, rank=rank)
