"""The screen of queues."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, after, make, opened, requests
from tests.console.views_data import views_feed
from tui.screens.intent import IntentScreen
from tui.screens.jobs import JobsScreen
from tui.screens.queues import QueuesScreen

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

ENABLE, START = "job-manager.queue-enable", "job-manager.queue-start"


def unknown(_: JsonMapping, __: int) -> JsonObject:
    raise OSError(errno.ENOSYS, "Function not implemented")


async def test_queues_are_listed_with_switches_limits_and_reasons() -> None:
    async with make(views_feed()).run_test(size=(160, 50)) as pilot:
        await opened(pilot, "f4", QueuesScreen)
        text = text_of(pilot)
        assert "batch*" in text
        assert "1h, 4 nodes" in text
        assert "stopped: opens at 22:00" in text
        assert "1 disabled" in text


async def test_disable_takes_a_reason_and_enable_none() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f4", QueuesScreen)
        await pilot.press("d", *"full", "enter")
        await until(pilot, lambda: bool(requests(feed, ENABLE)))
        wanted = {"enable": False, "all": False, "nocheckpoint": False, "name": "batch"}
        assert requests(feed, ENABLE) == [(ENABLE, {**wanted, "reason": "full"}, 0)]
        await until(pilot, lambda: "disabled: 1 queue" in text_of(pilot))
        await pilot.press("down", "e")
        assert "Enable queue debug?" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(requests(feed, ENABLE)) == 2)
        assert requests(feed, ENABLE)[1][1] == {**wanted, "enable": True, "name": "debug"}


async def test_stop_and_start_those_that_are_not_yet() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f4", QueuesScreen)
        await pilot.press("a", "minus")
        assert "Stop 2 queues?" in text_of(pilot)
        await pilot.press("enter")  # a reason may be left out
        await until(pilot, lambda: len(requests(feed, START)) == 2)
        assert {asked[1]["name"] for asked in requests(feed, START)} == {"batch", "debug"}
        await pilot.press("plus")
        await until(pilot, lambda: "it is started already" in text_of(pilot))
        await pilot.press("end", "plus", "right", "enter")
        await until(pilot, lambda: len(requests(feed, START)) == 3)
        assert requests(feed, START)[2][1]["name"] == "night"


async def test_an_instance_without_named_queues_shows_the_one() -> None:
    answers: dict[str, Any] = {
        "job-manager.queue-list": {"queues": []},
        "job-manager.queue-status": {"enable": True, "start": True},
    }
    async with make(views_feed(answers)).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f4", QueuesScreen)
        (queue,) = screen.listing.shown
        assert queue.title == "the queue"
        assert queue.counts.running == 13
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, JobsScreen)
        assert pilot.app.screen.dashboard.view.query.text == ""


async def test_a_broker_of_0_29_has_other_requests() -> None:
    seen: list[JsonMapping] = []

    def submit(payload: JsonMapping, _: int) -> JsonObject:
        seen.append(payload)
        return {"enable": True, "reason": ""}

    answers: dict[str, Any] = {
        "job-manager.queue-list": unknown,
        "job-manager.queue-status": unknown,
        "job-manager.queue-enable": unknown,
        "config.get": unknown,
        "job-manager.submit-admin": submit,
        "job-manager.alloc-admin": {"enable": False, "reason": "held"},
    }
    async with make(views_feed(answers)).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f4", QueuesScreen)
        (queue,) = screen.listing.shown
        assert (queue.enabled, queue.started, queue.why) == (True, False, "stopped: held")
        await pilot.press("d", *"why", "enter")
        wanted = {"query_only": False, "enable": False, "reason": "why"}
        await until(pilot, lambda: wanted in seen)


async def test_a_refusal_names_the_queue() -> None:
    def refuse(_: JsonMapping, __: int) -> JsonObject:
        raise OSError(errno.EPERM, "owner only")

    async with make(views_feed({ENABLE: refuse})).run_test(size=SIZE) as pilot:
        await opened(pilot, "f4", QueuesScreen)
        await pilot.press("d", *"x", "enter")
        await until(pilot, lambda: "batch*: owner only" in text_of(pilot))


async def test_read_only_has_no_switches() -> None:
    async with make(views_feed(), read_only=True).run_test(size=SIZE) as pilot:
        await opened(pilot, "f4", QueuesScreen)
        await pilot.press("d", "e", "plus", "minus")
        assert not isinstance(pilot.app.screen, IntentScreen)


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [("list", ()), ("stop", ("minus",))],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_queues_look(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    ready = after("f4", QueuesScreen, *keys)
    assert snap_compare(make(views_feed()), terminal_size=size, run_before=ready)
