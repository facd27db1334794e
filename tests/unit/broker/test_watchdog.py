"""The watchdog names what keeps the loop busy, while it does and afterwards."""

from __future__ import annotations

import asyncio
import sys
import threading

from broker.watchdog import Watchdog, place_of
from flux.wire.message import Message, request

DEADLINE = 60.0


async def test_a_busy_loop_is_reported_with_the_place() -> None:
    stuck: list[str] = []
    seen = threading.Event()
    told: asyncio.Future[tuple[str, float]] = asyncio.get_running_loop().create_future()

    def report(place: str) -> None:
        stuck.append(place)
        seen.set()

    def handle(msg: Message) -> None:
        assert msg.topic == "slow.topic"  # the watchdog finds it by the name of this variable
        assert seen.wait(DEADLINE)

    dog = Watchdog(
        lambda place, seconds: told.set_result((place, seconds)),
        report,
        period=0.01,
        limit=0.05,
        stuck_after=0.1,
    )
    dog.start()
    handle(request("slow.topic"))
    place, seconds = await asyncio.wait_for(told, DEADLINE)
    dog.stop()
    assert stuck == [place]
    assert place.endswith("for slow.topic")
    assert seconds >= 0.05


async def test_a_loop_that_turns_is_not_reported() -> None:
    reports: list[str] = []
    beats = 0
    dog = Watchdog(lambda place, _: reports.append(place), reports.append, period=0.001, limit=5.0)
    dog.start()
    while beats < 200:
        beats += 1
        await asyncio.sleep(0)
    dog.stop()
    assert reports == []


def test_the_place_is_our_innermost_function() -> None:
    found: list[str] = []

    def act() -> None:
        found.append(place_of(sys._getframe()))  # noqa: SLF001 - what a sampler is given

    act()
    assert ".act:" in found[0]
    plugin: dict[str, object] = {"__name__": "flux_jobtap_7_mine", "act": act}
    exec(compile("def check():\n    act()\n    wait()\n", "/site/mine.py", "exec"), plugin)
    plugin["wait"] = lambda: found.append(place_of(sys._getframe(1)))  # noqa: SLF001 - the same
    eval("check()", plugin)
    assert found[-1] == "/site/mine.py:3 (check)"
    assert place_of(None) == ""
