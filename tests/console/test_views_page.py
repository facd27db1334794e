"""What the page on the dashboard says of views."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.binding import Binding

from tui.app import TopApp
from tui.screens.cron import CronScreen
from tui.screens.events import EventsScreen
from tui.screens.kvs import KvsScreen
from tui.screens.live import CHANGING
from tui.screens.modules import ModulesScreen
from tui.screens.nodes import NodesScreen
from tui.screens.queues import QueuesScreen
from tui.views import VIEWS

SCREENS = (NodesScreen, QueuesScreen, ModulesScreen, CronScreen, KvsScreen, EventsScreen)
MOVES = {"Down", "Up", "Page down", "Page up", "This list", "Back"}
ASKING = {"drain_nodes", "undrain_nodes", "reload_module", "remove_module", "unlink_key"}


def page() -> str:
    return (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_names_every_key_of_a_view(screen: type[NodesScreen]) -> None:
    text = page()
    for binding in screen.BINDINGS:
        assert isinstance(binding, Binding)
        assert binding.id
        meaning = binding.tooltip or binding.description
        assert meaning in text or meaning in MOVES, meaning


def test_the_page_names_every_view() -> None:
    text = page()
    for view in VIEWS:
        assert f"| {view.key.upper()} | {view.name} | {view.summary} |" in text


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_of_a_view_stands_for_two_things(screen: type[NodesScreen]) -> None:
    seen: set[str] = set()
    for binding in screen.BINDINGS:
        assert isinstance(binding, Binding)
        for key in binding.key.split(","):
            assert key not in seen, key
            seen.add(key)


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_of_a_view_hides_one_that_works_everywhere(screen: type[NodesScreen]) -> None:
    everywhere = {
        key
        for binding in TopApp.BINDINGS
        if isinstance(binding, Binding)
        for key in binding.key.split(",")
    }
    for binding in screen.BINDINGS:
        assert isinstance(binding, Binding)
        assert not everywhere & set(binding.key.split(",")) - {"q"}, binding.id


def test_what_changes_something_is_known_as_such() -> None:
    assert ASKING <= CHANGING
