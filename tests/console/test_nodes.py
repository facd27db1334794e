"""The screen of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.console.conftest import NOW
from tests.console.driving import loaded, shows, text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, after, make, opened
from tests.console.views_data import resources, views_feed
from tui.app import TopApp
from tui.screens.help import HelpScreen
from tui.screens.intent import IntentScreen
from tui.screens.jobs import JobsScreen
from tui.screens.nodes import NodesScreen
from tui.widgets.core_map import CoreMap
from tui.widgets.listing import ListingHeading, ListingView

if TYPE_CHECKING:
    from tui.feed.synthetic import SyntheticFeed
    from tui.screens.live import LiveScreen


def drained(feed: SyntheticFeed) -> list[Any]:
    return [asked for asked in feed.asked if asked[0] in ("resource.drain", "resource.undrain")]


async def test_nodes_are_listed_with_state_cores_and_reason() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        assert len(screen.listing) == 48
        text = text_of(pilot)
        assert "40 up" in text
        assert "387/768 cores" in text
        assert "memory errors on DIMM 3" in text
        assert "sim-0" in text  # on rank 0, under the cursor
        await pilot.press("end")
        assert "fluke47" in text_of(pilot)
        assert screen.view.row is not None
        assert screen.view.row.rank == 47


async def test_filter_sort_and_back() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("slash", *"state:down", "enter")
        assert [node.rank for node in screen.listing.shown] == [45, 47]
        await pilot.press("escape")
        assert len(screen.listing) == 48
        await pilot.press("s", "s")
        assert screen.listing.sort == "state"
        assert screen.listing.shown[0].rank == 45
        await pilot.press("r")
        assert screen.listing.shown[-1].state == "down"
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobsScreen)


async def test_map_shows_each_core_and_moves_in_two_directions() -> None:
    async with make(views_feed()).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("m")
        await pilot.pause()
        core_map = screen.query_one(CoreMap)
        assert core_map.display
        assert core_map.across == 3
        text = text_of(pilot)
        assert "■" * 12 + "····" in text  # rank 4
        assert "×" * 16 in text
        assert "▒" * 16 in text
        await pilot.press("j", "l")
        assert screen.view.cursor == 4
        await pilot.press("h", "k", "ctrl+d", "ctrl+u", "G", "g")
        assert screen.view.cursor == 0
        await pilot.click(CoreMap, offset=(30, 1))
        assert screen.view.cursor == 4
        await pilot.press("m")
        assert not core_map.display


async def test_keys_go_to_the_map_when_another_view_was_on_top() -> None:
    async with make(views_feed()).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("m", "f7")
        await until(pilot, lambda: pilot.app.screen is not screen)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("j", "l")
        assert screen.view.cursor == 4
        assert screen.listing.text == ""
        await pilot.press("q")
        assert isinstance(pilot.app.screen, JobsScreen)


async def test_map_and_list_are_side_by_side_where_there_is_room() -> None:
    async with make(views_feed()).run_test(size=(200, 60)) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        assert screen.query_one(CoreMap).display
        assert screen.view.display
        await pilot.press("down", "down")
        assert screen.query_one(CoreMap).at == 2


async def test_map_of_many_large_nodes_scrolls() -> None:
    feed = views_feed()
    feed.answers["resource.status"] = {
        "R": {"execution": {"R_lite": [{"rank": "0-9999", "children": {"core": "0-127"}}]}}
    }
    async with make(feed).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("m", "G")
        await pilot.pause()
        assert screen.view.row is not None
        assert screen.view.row.rank == 9999
        assert "9999 " in text_of(pilot)
        assert screen.query_one(CoreMap).virtual_size.height == 20_000  # two lines for each


async def test_tree_shows_who_lost_whom() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("t")
        await until(pilot, lambda: screen.brokers is not None and len(screen.brokers) == 48)
        screen.live_update()
        text = text_of(pilot)
        assert "├─ rank 1 " in text
        await pilot.press("G")
        await pilot.press("g", "ctrl+d")
        assert screen.query_one("#brokers", ListingView).cursor > 0
        asked = [rank for topic, _, rank in feed.asked if topic == "overlay.health"]
        assert set(asked) == {0, 1, 4, 10, 22}  # only where something is wrong
        assert screen.listing.index_of(45) is not None
        await pilot.press("g", "enter")
        assert isinstance(pilot.app.screen, JobsScreen)


async def test_enter_shows_the_jobs_of_the_node() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("down", "down", "down", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, JobsScreen)
        assert screen.dashboard.view.query.text == "ranks:3"
        table = screen.dashboard.table
        assert "sim-0" in {table.name[row] for row in screen.dashboard.view.rows()}
        assert "sim-1" not in {table.name[row] for row in screen.dashboard.view.rows()}


async def test_enter_shows_the_jobs_of_all_marked_nodes() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("space", "down", "space", "space", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, JobsScreen)
        assert screen.dashboard.view.query.text == "ranks:0,2-3"
        names = {screen.dashboard.table.name[row] for row in screen.dashboard.view.rows()}
        assert "sim-0" in names


async def test_what_was_read_before_the_connection_was_lost_is_marked() -> None:
    app = make(views_feed())
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        app.dashboard.set_link(False, "lost connection to the broker")
        screen.live_update()
        await pilot.pause()
        assert "not connected, as it was" in text_of(pilot)
        assert len(screen.listing) == 48
        assert screen.make_painter().quiet(screen.listing.shown[0])


async def test_clicks_sort_choose_and_open() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.click(ListingHeading, offset=(10, 0))
        assert screen.listing.sort == "host"
        await pilot.click(ListingHeading, offset=(10, 0))
        assert screen.listing.reverse
        await pilot.click("#rows", offset=(10, 3))
        assert screen.view.cursor == 3
        row = screen.view.row
        assert row is not None
        await pilot.click("#rows", offset=(10, 3), times=2)
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        assert screen.dashboard.view.query.text == f"ranks:{row.rank}"


async def test_jobs_without_a_summary_are_looked_up() -> None:
    feed = views_feed(stored={"R": resources("40", "0-3")})
    feed.jobs.append({"id": 99, "state": 16, "t_run": NOW - 5, "name": "other"})
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        assert 99 in screen.occupants.on[40]


async def test_drain_asks_for_a_reason() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("d")
        assert isinstance(pilot.app.screen, IntentScreen)
        await pilot.press("enter")  # no reason yet
        assert isinstance(pilot.app.screen, IntentScreen)
        assert "may not be empty" in text_of(pilot)
        await pilot.press(*"bad fan", "enter")
        await until(pilot, lambda: bool(drained(feed)))
        assert drained(feed) == [("resource.drain", {"targets": "0", "reason": "bad fan"}, 0)]
        await until(pilot, lambda: "drained: 1 node" in text_of(pilot))
        assert isinstance(pilot.app.screen, NodesScreen)
        await pilot.press("d", "escape")
        assert len(drained(feed)) == 1
        assert screen.listing.marks == set()


async def test_many_marked_nodes_are_drained_in_one_request_after_their_number() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        await pilot.press("slash", *"state:up", "enter", "a", "d", *"move", "enter")
        assert isinstance(pilot.app.screen, IntentScreen)
        await pilot.press(*"39", "enter")
        assert not drained(feed)
        await pilot.press("backspace", "backspace", *"40", "enter")
        await until(pilot, lambda: bool(drained(feed)))
        assert drained(feed)[0][1]["targets"] == "0-19,23,25-39,42-44,46"
        await until(pilot, lambda: not screen.listing.marks)


async def test_a_job_on_several_nodes_is_one_job_that_goes_on() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("space", "space", "space", "d")
        assert "Drain 3 nodes?" in text_of(pilot)
        assert "1 job will go on to the end" in text_of(pilot)


async def test_undrain_takes_the_drained_ones_only() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("D")
        await until(pilot, lambda: "no drained node is chosen" in text_of(pilot))
        await pilot.press("a", "D")
        assert "Undrain 5 nodes" in text_of(pilot)
        await pilot.press("enter")  # the safe answer
        assert not drained(feed)
        await pilot.press("D", "right", "enter")
        await until(pilot, lambda: bool(drained(feed)))
        assert drained(feed) == [("resource.undrain", {"targets": "20-22,40-41"}, 0)]


async def test_a_refusal_is_told_and_the_screen_lives_on() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        feed.refuse = "Request requires owner credentials"
        await pilot.press("d", *"x", "enter")
        await until(pilot, lambda: "requires owner" in text_of(pilot))
        await until(pilot, lambda: bool(screen.trouble))
        assert len(screen.listing) == 48
        await until(pilot, lambda: "as it was at " in text_of(pilot))
        assert screen.view.old
        feed.refuse = ""
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not screen.trouble and not screen.view.old)


async def test_nonsense_from_the_broker_is_told() -> None:
    feed = views_feed({"resource.status": {"R": {"execution": {"R_lite": [{"rank": "x"}]}}}})
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f3", NodesScreen)
        assert "something unexpected" in screen.trouble
        assert "something unexpected" in text_of(pilot)


async def test_read_only_has_no_drain() -> None:
    feed = views_feed()
    async with make(feed, read_only=True).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("d", "D")
        assert isinstance(pilot.app.screen, NodesScreen)
        assert "Drain" not in text_of(pilot)


async def test_every_key_is_in_help() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("question_mark")
        screen = pilot.app.screen
        assert isinstance(screen, HelpScreen)
        meanings = {meaning for _, meaning in screen.rows()}
        assert "Map of all cores, or list" in meanings
        assert "Drain the marked nodes or this one, for a reason" in meanings


async def test_copy_gives_host_names() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await opened(pilot, "f3", NodesScreen)
        await pilot.press("space", "space", "y")
        assert pilot.app.clipboard == "fluke0 fluke1"


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("list", ("space", "down")),
        ("map", ("m", *["down"] * 2)),
        ("tree", ("t",)),
        ("drain", ("space", "space", "d", *"fan")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nodes_look(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(
        make(views_feed()), terminal_size=size, run_before=after("f3", NodesScreen, *keys)
    )


@pytest.mark.parametrize("been_there", [False, True])
async def test_a_job_shows_its_nodes(been_there: bool) -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        app = pilot.app
        assert isinstance(app, TopApp)
        if been_there:
            await opened(pilot, "f3", NodesScreen)
            await pilot.press("space", "slash", *"fluke4", "enter", "f2")
        await loaded(pilot)
        await pilot.press("slash", *"name:sim-9", "enter", "enter", "M")
        await until(pilot, lambda: isinstance(app.screen, NodesScreen))
        screen = app.screen
        assert isinstance(screen, NodesScreen)
        await until(pilot, lambda: len(screen.listing.marks) == 4)
        assert [node.rank for node in screen.listing.marked()] == [20, 21, 22, 23]
        assert screen.view.row is not None
        assert screen.view.row.rank == 20
        assert shows(pilot, "4 marked")
        assert shows(pilot, "fluke23")


async def test_a_job_without_nodes_says_so() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        app = pilot.app
        assert isinstance(app, TopApp)
        await loaded(pilot)
        await pilot.press("slash", *"state:pending", "enter", "enter", "M")
        await until(pilot, lambda: app.message.text == "the job has no nodes")


async def test_the_title_says_where_one_is_however_long_the_way() -> None:
    async with make(views_feed()).run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        for number in range(3, 11):
            await pilot.press(f"f{number}")
            name = cast("LiveScreen", pilot.app.screen).crumb
            for width in (59, 70, 80):
                await pilot.resize_terminal(width, 24)
                await pilot.pause()
                title = text_of(pilot).splitlines()[0]
                assert f" {name} " in f"{title} ", title
