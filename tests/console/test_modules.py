"""The screen of modules."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.conftest import NOW
from tests.console.driving import text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, after, make, opened, requests
from tests.console.views_data import still_statistics, views_feed
from tui.screens.intent import IntentScreen
from tui.screens.modules import ModulesScreen

if TYPE_CHECKING:
    from pathlib import Path

    from flux.wire.json import JsonMapping, JsonObject

RMMOD, RESTORE = "broker.rmmod", "broker.restore-module"


def unknown(_: JsonMapping, __: int) -> JsonObject:
    raise OSError(errno.ENOSYS, "Function not implemented")


async def test_modules_with_figures_statistics_and_plugins() -> None:
    now = [NOW]
    async with make(views_feed(), clock=lambda: now[0]).run_test(size=(220, 60)) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        text = text_of(pilot)
        assert "14 loaded" in text
        assert "content-backing, " in text
        assert ".dependency-after" in text
        assert "39 MiB" in text
        assert "Statistics of barrier" in text
        assert "cache.objects" in text
        now[0] += 2
        await pilot.press("ctrl+r")
        row = screen.listing.shown[0]
        await until(pilot, lambda: screen.listing.shown[0].receive_rate is not None)
        row = screen.listing.shown[0]
        assert row.receive_rate is not None
        assert row.receive_rate > 0
        await until(pilot, lambda: "changed" in {line.kind for line in screen.pane.content})


async def test_statistics_follow_the_cursor() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        await pilot.press("slash", *"name:kvs", "enter", "down")
        await until(pilot, lambda: screen.pane.title == "Statistics of kvs-watch")
        await pilot.press("J", "K")


async def test_ranks_can_be_switched() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        await pilot.press("l")
        await until(pilot, lambda: screen.known and len(screen.listing) == 2)
        await until(pilot, lambda: "rank 1 of 48" in text_of(pilot))
        await pilot.press("h", "h")
        assert screen.rank == 47
        await pilot.press("N", *"12", "enter")
        await until(pilot, lambda: screen.rank == 12)
        await pilot.press("N", *"99", "enter")
        await until(pilot, lambda: "there are ranks 0 to 47" in text_of(pilot))


async def test_ping_goes_on_until_it_is_stopped() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        await pilot.press("p")
        await until(pilot, lambda: screen.pings is not None and len(screen.pings.times) > 0)
        screen.live_update()
        await until(pilot, lambda: "ping barrier: " in text_of(pilot))
        assert "answers" in text_of(pilot)
        await pilot.press("p")
        assert screen.pings is None
        await until(pilot, lambda: "ping barrier: " not in text_of(pilot))


async def test_a_module_that_does_not_answer_is_told() -> None:
    feed = views_feed({"barrier.ping": unknown})
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("p")
        await until(pilot, lambda: "Function not implemented" in text_of(pilot))


async def test_reload_unloads_and_restores() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("R")
        assert "Reload module barrier?" in text_of(pilot)
        await pilot.press("enter")
        assert not requests(feed, RMMOD)
        await pilot.press("R", "right", "enter")
        await until(pilot, lambda: len(requests(feed, RMMOD, RESTORE)) == 3)
        assert [topic for topic, _, _ in requests(feed, RMMOD, RESTORE)] == [
            RESTORE, RMMOD, RESTORE,
        ]  # fmt: skip
        await until(pilot, lambda: "reloaded: 1 module" in text_of(pilot))


async def test_a_module_that_cannot_be_loaded_again_is_left_alone() -> None:
    feed = views_feed({RESTORE: unknown})
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("R", "right", "enter")
        await until(pilot, lambda: "does not tell where the module comes from" in text_of(pilot))
        assert not requests(feed, RMMOD)


async def test_remove_a_plugin_and_a_module() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        assert screen.view.move_to_key(("plugin", ".dependency-after"))
        await pilot.press("R")
        await until(pilot, lambda: "only modules can be loaded again" in text_of(pilot))
        await pilot.press("X", "right", "enter")
        await until(
            pilot,
            lambda: (
                ("job-manager.jobtap", {"remove": ".dependency-after"}, 4294967295) in feed.asked
            ),
        )
        assert screen.view.move_to_key(("module", "cron"))
        await until(pilot, lambda: not isinstance(pilot.app.screen, IntentScreen))
        await pilot.press("X", "right", "enter")
        await until(pilot, lambda: bool(requests(feed, RMMOD)))
        assert requests(feed, RMMOD) == [(RMMOD, {"name": "cron"}, 0)]


async def test_debug_flags_are_read_and_set() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, IntentScreen))
        await pilot.press(*"0xf0", "enter")
        await until(pilot, lambda: len(requests(feed, "barrier.debug")) == 2)
        assert requests(feed, "barrier.debug")[1][1] == {"op": "set", "flags": 0xF0}
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, IntentScreen))
        await pilot.press(*"x", "enter")
        await until(pilot, lambda: "is not a number" in text_of(pilot))


async def test_modules_of_a_broker_of_today() -> None:
    told = {"name": "kvs", "path": "/lib/kvs.so", "idle": 0, "status": 1, "services": ["kvs"]}
    answers: dict[str, Any] = {
        "broker.lsmod": unknown,
        "module.list": {"mods": [{**told, "sendqueue": 0, "recvqueue": 3}]},
        "kvs.stats.get": unknown,
        "kvs.stats-get": {"pending": 1},
        "module.remove": {},
        "module.load": {},
    }
    feed = views_feed(answers)
    async with make(feed).run_test(size=(160, 50)) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        assert [module.name for module in screen.listing.shown] == ["kvs"]
        assert "pending" in text_of(pilot)
        await pilot.press("R", "right", "enter")
        await until(pilot, lambda: bool(requests(feed, "module.load")))
        assert requests(feed, "module.load")[0][1] == {"path": "/lib/kvs.so", "args": []}


async def test_a_part_of_the_broker_is_not_loaded_again() -> None:
    told = {"name": "overlay", "path": "builtin", "idle": 0, "status": 1, "services": ["overlay"]}
    answers: dict[str, Any] = {"broker.lsmod": unknown, "module.list": {"mods": [told]}}
    feed = views_feed(answers)
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("R", "right", "enter")
        await until(pilot, lambda: "cannot be loaded again" in text_of(pilot))
        assert not requests(feed, "module.remove")


async def test_read_only_can_ping_but_not_remove() -> None:
    async with make(views_feed(), read_only=True).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f5", ModulesScreen)
        await pilot.press("R", "X", "D")
        assert not isinstance(pilot.app.screen, IntentScreen)
        await pilot.press("p")
        assert screen.pings is not None


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [("list", ("down",)), ("remove", ("X",))],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_modules_look(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    ready = after("f5", ModulesScreen, *keys)
    feed = views_feed(still_statistics())
    assert snap_compare(make(feed), terminal_size=size, run_before=ready)


async def test_its_key_for_reloading_records_nothing_where_it_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make(views_feed(), read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "f5", ModulesScreen)
        await pilot.press("R")
        await pilot.pause()
        assert app.session.dashboard.tape is None
    assert not list(tmp_path.iterdir())
