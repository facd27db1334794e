"""The views over a real instance."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from flux import Flux
from flux.testing.instance import Instance, running_instance
from tests.console.driving import loaded, text_of, until
from tests.console.test_live_feed import run_job
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.screens.cron import CronScreen
from tui.screens.events import EventsScreen
from tui.screens.jobs import JobsScreen
from tui.screens.kvs import KvsScreen
from tui.screens.listing import ListingScreen
from tui.screens.modules import ModulesScreen
from tui.screens.nodes import NodesScreen
from tui.screens.queues import QueuesScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.pilot import Pilot

SIZE = (180, 50)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance of three brokers with two queues."""
    config: Path = tmp_path_factory.mktemp("config")
    (config / "queues.toml").write_text(
        "[queues.batch]\n[queues.debug]\n"
        '[policy.jobspec.defaults.system]\nqueue = "batch"\n'
        '[queues.debug.policy.limits]\nduration = "1h"\n'
    )
    with running_instance(3, f"-o,--config-path={config}") as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has real users and the real time."""


def app_of(instance: Instance) -> TopApp:
    return TopApp(LiveFeed(instance.uri), glyphs=palette.UNICODE)


async def go(pilot: Pilot[Any], key: str) -> ListingScreen[Any]:
    """Go to a view and wait until it has been read."""
    await loaded(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, ListingScreen))
    screen = pilot.app.screen
    assert isinstance(screen, ListingScreen)
    await until(pilot, lambda: screen.known or bool(screen.trouble))
    assert not screen.trouble
    screen.live_update()
    await pilot.pause()
    return screen


def ask(instance: Instance, topic: str, payload: Any = None) -> Any:
    handle = Flux(instance.uri)
    try:
        return handle.rpc(topic, payload or {}, nodeid=0).get()
    finally:
        handle.close()


async def test_nodes_show_their_jobs_and_are_drained(instance: Instance) -> None:
    jobid = run_job(instance.uri, "sleep 60")
    try:
        async with app_of(instance).run_test(size=SIZE) as pilot:
            screen = await go(pilot, "f3")
            assert isinstance(screen, NodesScreen)
            occupants = screen.occupants
            await until(pilot, lambda: any(jobid in jobs for jobs in occupants.on.values()))
            rank = next(r for r, jobs in occupants.on.items() if jobid in jobs)
            assert screen.view.move_to_key(rank)
            node = screen.view.row
            assert node is not None
            assert jobid in occupants.cells(node)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
            view = screen.dashboard.view
            assert jobid in {screen.dashboard.table.ids[row] for row in view.rows()}
            await pilot.press("escape")
            screen = await go(pilot, "f3")
            assert isinstance(screen, NodesScreen)
            assert screen.view.move_to_key((rank + 1) % 3)
            await pilot.press("d", *"loud fan", "enter")
            await until(pilot, lambda: any(n.state == "drained" for n in screen.listing.rows()))
            assert "loud fan" in str(ask(instance, "resource.status")["drain"])
            await pilot.press("D", "right", "enter")
            await until(pilot, lambda: not any(n.drained for n in screen.listing.rows()))
            await pilot.press("t")
            brokers = screen.brokers
            assert brokers is not None
            await until(pilot, lambda: len(brokers) == 3)
            assert {broker.status for broker in brokers.shown} == {"full"}
    finally:
        with contextlib.suppress(OSError):  # it is over already if a step above took too long
            ask(instance, "job-manager.raise", {"id": jobid, "type": "cancel", "severity": 0})


async def test_queues_are_switched(instance: Instance) -> None:
    async with app_of(instance).run_test(size=SIZE) as pilot:
        screen = await go(pilot, "f4")
        assert isinstance(screen, QueuesScreen)
        assert [queue.title for queue in screen.listing.shown] == ["batch*", "debug"]
        assert screen.listing.shown[1].limits == "1h"
        jobid = run_job(instance.uri, "true")
        await until(pilot, lambda: screen.listing.shown[0].counts.over > 0)
        assert screen.listing.shown[1].counts.over == 0
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        view, ids = screen.dashboard.view, screen.dashboard.table.ids
        assert view.query.text == 'queue:"batch"'
        assert jobid in {ids[row] for row in view.rows()}
        await pilot.press("escape")
        screen = await go(pilot, "f4")
        await pilot.press("down", "d", *"full", "enter")
        await until(pilot, lambda: screen.listing.shown[1].why == "disabled: full")
        await pilot.press("minus", *"later", "enter")
        await until(pilot, lambda: "stopped: later" in screen.listing.shown[1].why)
        await pilot.press("e", "right", "enter")
        await until(pilot, lambda: screen.listing.shown[1].enabled)
        await pilot.press("plus", "right", "enter")
        await until(pilot, lambda: screen.listing.shown[1].started)


async def test_modules_of_two_ranks(instance: Instance) -> None:
    async with app_of(instance).run_test(size=SIZE) as pilot:
        screen = await go(pilot, "f5")
        assert isinstance(screen, ModulesScreen)
        names = {module.name for module in screen.listing.shown}
        assert {"kvs", "job-manager", ".priority-default"} <= names
        assert screen.view.move_to_key(("module", "barrier"))
        await until(pilot, lambda: "barriers" in " ".join(x.text for x in screen.pane.content))
        await pilot.press("p")
        await until(pilot, lambda: screen.pings is not None and len(screen.pings.times) > 0)
        await pilot.press("p", "R", "right", "enter")
        await until(pilot, lambda: "reloaded: 1 module" in text_of(pilot))
        await until(pilot, lambda: any(module.name == "barrier" for module in screen.listing.shown))
        await pilot.press("D")
        await until(pilot, lambda: "Set debug flags" in text_of(pilot))
        await pilot.press(*"0x3", "enter")
        await until(pilot, lambda: "debug flags of barrier: 0x3" in text_of(pilot))
        await pilot.press("l")
        await until(pilot, lambda: screen.known and screen.rank == 1 and len(screen.listing) > 0)
        assert "job-manager" not in {module.name for module in screen.listing.shown}


async def test_cron_entries_are_stopped_started_and_deleted(instance: Instance) -> None:
    request = {"type": "interval", "name": "tick", "args": {"interval": 0.2}}
    ask(instance, "cron.create", {**request, "command": "echo so it goes"})
    async with app_of(instance).run_test(size=SIZE) as pilot:
        screen = await go(pilot, "f6")
        assert isinstance(screen, CronScreen)
        (entry,) = screen.listing.shown
        assert (entry.name, entry.spec) == ("tick", "every 0.2s")
        await until(pilot, lambda: "so it goes" in " ".join(x.text for x in screen.pane.content))
        await pilot.press("minus", "right", "enter")
        await until(pilot, lambda: screen.listing.shown[0].stopped)
        await pilot.press("plus", "right", "enter")
        await until(pilot, lambda: not screen.listing.shown[0].stopped)
        await pilot.press("X", "right", "enter")
        await until(pilot, lambda: len(screen.listing) == 0)
        assert ask(instance, "cron.list")["entries"] == []


async def test_keys_are_read_watched_put_and_unlinked(instance: Instance) -> None:
    async with app_of(instance).run_test(size=SIZE) as pilot:
        screen = await go(pilot, "f7")
        assert isinstance(screen, KvsScreen)
        screen.go_to("resource.eventlog")
        await until(pilot, lambda: screen.pane.remark.startswith("eventlog"))
        await pilot.press("p", *"views.live=one", "enter")
        await until(pilot, lambda: screen.pane.title == "views.live")
        await until(pilot, lambda: screen.value == b"one")
        await pilot.press("w")
        await until(pilot, lambda: screen.pane.remark.startswith("watching"))
        handle = Flux(instance.uri)
        try:
            import flux.kvs

            flux.kvs.put(handle, "views.live", "two")
            flux.kvs.commit(handle)
        finally:
            handle.close()
        await until(pilot, lambda: screen.value == b'"two"')
        assert "1 change" in screen.pane.remark
        await pilot.press("w", "X", "right", "enter")
        await until(pilot, lambda: screen.listing.index_of("views.live") is None)


async def test_events_of_jobs_and_messages_come_in(instance: Instance) -> None:
    async with app_of(instance).run_test(size=SIZE) as pilot:
        screen = await go(pilot, "f8")
        assert isinstance(screen, EventsScreen)
        jobid = run_job(instance.uri, "exit 3")
        await until(
            pilot,
            lambda: (
                {"submit", "alloc", "finish", "clean"}
                <= {event.name for event in screen.listing.shown if event.jobid == jobid}
            ),
        )
        await pilot.press("t", *"views.", "enter")
        await until(pilot, lambda: screen.topic == "views.")
        handle = Flux(instance.uri)
        try:

            def heard() -> bool:
                handle.rpc("event.pub", {"topic": "views.test", "flags": 0}).get()
                return any(event.name == "views.test" for event in screen.listing.shown)

            await until(pilot, heard)
        finally:
            handle.close()
