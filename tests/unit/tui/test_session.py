"""What an instance is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tui.feed.live import LiveFeed
from tui.feed.recording import RecordedFeed
from tui.model.dashboard import Dashboard
from tui.session import Session

if TYPE_CHECKING:
    from tui.feed.recorder import Recorder


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("local:///run/user/7/flux-a1b2/local-0", "flux-a1b2"),
        ("local:///local", "local"),
        ("ssh://me@cluster7/run/flux/local", "cluster7"),
        ("ssh://cluster7:2222/run/flux/local", "cluster7:2222"),
    ],
)
def test_one_that_has_not_answered_is_called_by_its_place(uri: str, name: str) -> None:
    assert Session(LiveFeed(uri), Dashboard(lambda: 0.0)).name == name


def test_one_that_is_recorded_is_called_as_without() -> None:
    feed = RecordedFeed(LiveFeed("ssh://cluster7/run"), cast("Recorder", None))
    assert Session(feed, Dashboard(lambda: 0.0)).name == "cluster7"


def test_one_that_was_given_a_name_keeps_it() -> None:
    assert Session(LiveFeed("ssh://a/b"), Dashboard(lambda: 0.0), "night").name == "night"
