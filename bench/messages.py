"""Messages through one broker, and events from rank 0 to brokers of the same machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from bench.measure import Figure, Program, Target, paired, programs, show
from flux.aio import AsyncFlux
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = 10_000
WINDOW = 256
"""Requests under way at a time."""
BROKERS = 16
EVENTS = 50
REPEAT = 5
TIMEOUT = 60.0


async def _requests_per_second(uri: str) -> float:
    """Return how many requests a second one client has answered, a window of them under way."""
    async with await AsyncFlux.connect(uri) as handle:
        done = asyncio.Event()
        sent = answered = 0

        def send() -> None:
            nonlocal sent
            sent += 1
            handle.post("attr.get", {"name": "rank"}, took)

        def took(_: object) -> None:
            nonlocal answered
            answered += 1
            if sent < REQUESTS:
                send()
            elif answered == REQUESTS:
                done.set()

        started = time.perf_counter()
        for _ in range(WINDOW):
            send()
        await asyncio.wait_for(done.wait(), TIMEOUT)
        return REQUESTS / (time.perf_counter() - started)


async def _event_milliseconds(instance: Instance) -> float:
    """Return the median milliseconds from publishing an event on rank 0 until a client of each
    broker has it.
    """
    async with contextlib.AsyncExitStack() as stack:
        handles = [
            await stack.enter_async_context(await AsyncFlux.connect(uri)) for uri in _uris(instance)
        ]
        subscriptions = [await handle.subscribe("bench") for handle in handles]
        times = []
        for _ in range(EVENTS):
            started = time.perf_counter()
            await handles[0].publish("bench.event", {"number": 1})
            await asyncio.wait_for(
                asyncio.gather(*(anext(aiter(events)) for events in subscriptions)), TIMEOUT
            )
            times.append(time.perf_counter() - started)
        return sorted(times)[EVENTS // 2] * 1000


def _uris(instance: Instance) -> Iterator[str]:
    """Yield the URI of each broker: they share the run directory of ``flux start``."""
    for rank in range(BROKERS):
        yield f"local://{instance.rundir}/local-{rank}"


def figures() -> list[Figure]:
    """Requests a second of one client, and an event's way to all brokers."""
    among = programs()
    with contextlib.ExitStack() as stack:
        single = {p.name: stack.enter_context(running_instance(flux=p.flux)) for p in among}
        wide = {p.name: stack.enter_context(running_instance(BROKERS, flux=p.flux)) for p in among}

        def rate(program: Program) -> float:
            return asyncio.run(_requests_per_second(single[program.name].uri))

        def delay(program: Program) -> float:
            return asyncio.run(_event_milliseconds(wide[program.name]))

        return [
            paired(
                "small messages through one broker",
                "1/s",
                Target(bound=10_000, higher_is_better=True),
                rate,
                REPEAT,
                among,
            ),
            paired(
                f"event from rank 0 to {BROKERS} brokers",
                "ms",
                Target(bound=20),
                delay,
                REPEAT,
                among,
            ),
        ]


if __name__ == "__main__":
    show(figures())
