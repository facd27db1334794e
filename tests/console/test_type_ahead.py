"""Keys that come faster than the dashboard takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from tests.console.driving import loaded, text_of, until
from tui.screens.command_bar import CommandBar
from tui.screens.dmesg import DmesgScreen
from tui.screens.graphs import GraphsScreen
from tui.screens.help import HelpScreen
from tui.screens.intent import IntentScreen
from tui.screens.jobs import JobsScreen
from tui.screens.kvs import KvsScreen
from tui.screens.nodes import NodesScreen
from tui.screens.prompt import MenuScreen
from tui.screens.queues import QueuesScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.app import TopApp


NAMED = {
    "\r": "enter",
    "\x1b": "escape",
    "\t": "tab",
    "\x15": "ctrl+u",
    "\x10": "ctrl+p",
    "\n": "ctrl+j",
}


def type_at_once(pilot: Pilot[None], text: str) -> None:
    """Have keys wait in the queue together, as on a terminal that was slow."""
    for letter in text:
        key = NAMED.get(letter) or _character_to_key(letter)
        pilot.app.post_message(events.Key(key, letter))


def line(app: TopApp) -> str | None:
    """What is in the line that keys go to, None where they go to no line."""
    return app.focused.value if isinstance(app.focused, Input) else None


def filters(app: TopApp, text: str) -> bool:
    """Whether the filter holds, and its line is left."""
    screen = app.screen
    if not isinstance(screen, (JobsScreen, NodesScreen)):
        return False
    return line(app) is None and screen.bar.text == text


async def test_a_filter_typed_at_once_is_a_filter(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, "/-n:acru")
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        await until(pilot, lambda: screen.bar.text == "-n:acru")
        assert "marked" not in text_of(pilot)
        assert app.dashboard.view.query.text == "-n:acru"


async def test_a_search_typed_at_once_is_a_search(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        type_at_once(pilot, "/fnq")
        await until(pilot, lambda: app.screen.query_one(Input).value == "fnq")


def at(app: TopApp, screen: type[object]) -> bool:
    return isinstance(app.screen, screen)


@pytest.mark.parametrize(
    ("typed", "then"),
    [
        ("/-n:acru\rGj", lambda app: filters(app, "-n:acru")),
        # Enter, as a terminal makes it of what is typed before it is the dashboard's.
        (":nodes\n/0\n", lambda app: at(app, NodesScreen) and filters(app, "0")),
        (":nodes\r/0\r", lambda app: at(app, NodesScreen) and filters(app, "0")),
        (":filter t>5m\r:sort name\r", lambda app: app.dashboard.view.column.name == "name"),
        (":theme light\r?", lambda app: at(app, HelpScreen) and app.theme == "light"),
        ("?q:log\r/flux", lambda app: at(app, DmesgScreen) and line(app) == "flux"),
        (":kvs\roa.b", lambda app: at(app, IntentScreen) and line(app) == "a.b"),
        (" c\x1b:kvs\r", lambda app: at(app, KvsScreen)),
        ("mq:graphs\r", lambda app: at(app, GraphsScreen)),
        ("aU\x15high", lambda app: line(app) == "high"),
        ("/n:zz\x1b/yy\r\x1b/xx", lambda app: line(app) == "xx"),
        ("/stat\trunning\r", lambda app: filters(app, "state:running")),
        ("\r/fnq\rq/x\r", lambda app: filters(app, "x")),
        (":nodes\r:queues\r:modules\r:jobs\r/y\r", lambda app: filters(app, "y")),
    ],
)
async def test_keys_typed_at_once_are_obeyed_in_their_order(
    make_app: Callable[..., TopApp], typed: str, then: Callable[[TopApp], bool]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, typed)
        await until(pilot, lambda: then(app))


@pytest.mark.parametrize(
    ("typed", "pasted", "then"),
    [
        ("/", "state:running", lambda app: line(app) == "state:running"),
        ("", "/state:running", lambda app: line(app) == "state:running"),
        ("", ":filter n:x\n", lambda app: at(app, CommandBar) and line(app) == "filter n:x"),
        (":", "filter\tn:x\r\n  t>1\n", lambda app: line(app) == "filter n:x t>1"),
        ("M", "user:alice\x1b[31m", lambda app: line(app) == "user:alice [31m"),
        ("aU\x15", "12", lambda app: line(app) == "12"),
        (":kvs\r", "/some", lambda app: at(app, KvsScreen) and line(app) == "some"),
        ("d", "/flux", lambda app: at(app, DmesgScreen) and line(app) == "flux"),
        ("m", ":nodes", lambda app: at(app, MenuScreen) and "open it first" in app.message.text),
        ("", "cccc\r", lambda app: at(app, JobsScreen) and "open it first" in app.message.text),
        ("", "\n", lambda app: at(app, JobsScreen) and not app.message.text),
    ],
)
async def test_what_is_pasted_goes_into_a_line(
    make_app: Callable[..., TopApp], typed: str, pasted: str, then: Callable[[TopApp], bool]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, typed)
        app.post_message(events.Paste(pasted))
        await until(pilot, lambda: then(app))


async def test_keys_around_what_is_pasted_stay_in_their_order(
    make_app: Callable[..., TopApp],
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        app.post_message(events.Paste(":filt"))
        type_at_once(pilot, "er ")
        app.post_message(events.Paste("n:train"))
        type_at_once(pilot, "\r/")
        await until(pilot, lambda: line(app) == "n:train")
        assert app.dashboard.view.query.text == "n:train"


async def test_ctrl_c_does_not_wait_for_the_keys_before_it(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, ":nodes\r" * 500)
        app.post_message(events.Key("ctrl+c", "\x03"))
        await until(pilot, lambda: app._exit)  # noqa: SLF001 - there is no other sign


async def test_a_command_chosen_in_the_palette_at_once_is_run(
    make_app: Callable[..., TopApp],
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, "\x10queues\r/")
        await until(pilot, lambda: at(app, QueuesScreen) and line(app) == "")
