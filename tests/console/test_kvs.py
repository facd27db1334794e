"""The browser of the key-value store."""

from __future__ import annotations

import errno
import threading
from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, after, make, opened, requests
from tests.console.views_data import Store, views_feed
from tui.model.kvs_value import value_lines
from tui.screens.intent import IntentScreen
from tui.screens.kvs import KvsScreen
from tui.screens.prompt import MenuScreen

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.logs import Line


def stored() -> tuple[Store, Any]:
    store = Store()
    return store, views_feed(store.answers())


async def at(pilot: Pilot[Any], screen: KvsScreen, key: str) -> None:
    """Open what is above a key and put the cursor on it."""
    screen.go_to(key)
    await until(pilot, lambda: key_of(screen) == key)


def key_of(screen: KvsScreen) -> str:
    return "" if screen.view.row is None else screen.view.row.key


def remarks(screen: KvsScreen, text: str) -> bool:
    return screen.pane.remark == text


def shown(screen: KvsScreen) -> list[str]:
    return [line.text for line in screen.pane.content]


async def test_directories_are_read_when_they_are_opened() -> None:
    _, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        assert [row.key for row in screen.listing.shown] == ["admin", "count", "latest", "resource"]
        asked = [payload["key"] for _, payload, _ in requests(feed, "kvs.lookup")]
        assert asked == ["."]
        await pilot.press("enter")
        await until(pilot, lambda: "admin.note" in [row.key for row in screen.listing.shown])
        assert "latest -> admin.note" in text_of(pilot)
        await pilot.press("l")
        assert screen.view.row is not None
        assert screen.view.row.key == "admin.image"
        await pilot.press("h", "h")
        assert len(screen.listing.shown) == 4
        await pilot.press("l")
        await until(pilot, lambda: len(screen.listing.shown) == 7)
        await pilot.press("enter")
        assert len(screen.listing.shown) == 4


async def test_values_are_shown_as_what_they_are() -> None:
    _, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        expected = (
            ("resource.eventlog", "eventlog, 173 bytes", "reason=fan"),
            ("resource.R", "JSON, 46 bytes", '"execution": {'),
            ("admin.note", "text, 23 bytes", "second line"),
            ("admin.image", "binary, 40 bytes", "00 01 02 03"),
        )
        for key, remark, text in expected:
            await at(pilot, screen, key)
            await until(pilot, partial(remarks, screen, remark))
            assert text in " ".join(shown(screen))
        await at(pilot, screen, "admin.nothing")
        await until(pilot, lambda: "an empty value" in text_of(pilot))


async def test_large_values_are_laid_out_beside_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    store, feed = stored()
    store.values["primary"]["admin.large"] = b"a line\n" * 20_000
    began, go_on = threading.Event(), threading.Event()

    def slowly(data: bytes) -> tuple[str, list[Line]]:
        began.set()
        if threading.current_thread() is not threading.main_thread():
            go_on.wait(60)
        return value_lines(data)

    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await at(pilot, screen, "admin.note")
        await until(pilot, lambda: shown(screen) == ["first line", "second line"])
        with monkeypatch.context() as patched:
            patched.setattr("tui.screens.kvs.value_lines", slowly)
            await at(pilot, screen, "admin.large")
            await until(pilot, began.is_set)
            await at(pilot, screen, "admin.nothing")  # keys are obeyed, and it is not shown later
            await until(pilot, lambda: "an empty value" in text_of(pilot))
            go_on.set()
        await at(pilot, screen, "admin.large")
        await until(pilot, partial(remarks, screen, "text, 140,000 bytes"))
        assert len(screen.pane.content) == 20_000


async def test_the_pane_names_each_key_as_it_is_written() -> None:
    store, feed = stored()
    store.values["primary"].update({"z.[red]x": b"1", "z.y[/]": b"1", "other.key": b"2"})
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        for key in ("z.[red]x", "z.y[/]", "z", "other"):
            await at(pilot, screen, key)
            await until(pilot, partial(titled, screen, key))
            assert f" {key} " in text_of(pilot)


def titled(screen: KvsScreen, key: str) -> bool:
    return screen.pane.title == key


async def test_what_changes_is_read_again_and_marked() -> None:
    store, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await at(pilot, screen, "admin.note")
        await until(pilot, lambda: shown(screen) == ["first line", "second line"])
        store.values["primary"]["admin.note"] = b"first line\nanother\n"
        store.values["primary"]["admin.new"] = b"x"
        store.version += 1
        await pilot.press("ctrl+r")
        await until(pilot, lambda: shown(screen) == ["first line", "another"])
        assert [line.kind for line in screen.pane.content] == ["stdout", "changed"]
        await until(pilot, lambda: "admin.new" in [row.key for row in screen.listing.shown])


async def test_a_value_can_be_watched() -> None:
    _, feed = stored()
    values = [{"val": {"type": "val", "data": b64encode(text).decode()}} for text in (b"a", b"b")]
    feed.streams["kvs-watch.lookup"] = values
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("w")
        await until(pilot, lambda: "only values can be watched" in text_of(pilot))
        await at(pilot, screen, "count")
        await pilot.press("w")
        await until(pilot, lambda: shown(screen) == ["b"])
        assert screen.pane.content[0].kind == "changed"
        assert "1 change" in screen.pane.remark
        assert "watching count" in text_of(pilot)
        assert requests(feed, "kvs-watch.lookup")[0][1]["flags"] == 4
        await pilot.press("down")
        assert not screen.watching
        await pilot.press("up", "w", "w")
        assert not screen.watching


async def test_a_watch_that_ends_is_told() -> None:
    store, feed = stored()

    async def gone(*_: Any, **__: Any) -> Any:
        del store.values["primary"]["count"]
        raise OSError(errno.ENOENT, "No such file or directory")
        yield {}

    feed.listen = gone
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await at(pilot, screen, "count")
        await pilot.press("w")
        await until(pilot, lambda: "is not watched any more: it was removed" in text_of(pilot))
        assert screen.pane.content == []
        assert not screen.watching


async def test_another_namespace() -> None:
    _, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        await pilot.press("j", "enter")
        await until(
            pilot, lambda: [row.key for row in screen.listing.shown] == ["latest", "output"]
        )
        assert screen.namespace == "job-7"


async def test_guests_type_the_namespace() -> None:
    def refuse(_: JsonMapping, __: int) -> JsonObject:
        raise OSError(errno.EPERM, "owner only")

    _, feed = stored()
    feed.answers["kvs.namespace-list"] = refuse
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, IntentScreen))
        assert "owner only" in text_of(pilot)
        await pilot.press(*"job-7", "enter")
        await until(pilot, lambda: screen.namespace == "job-7")


async def test_put_and_unlink_ask_first() -> None:
    store, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("p", *"new.key=some text", "enter")
        await until(pilot, lambda: store.values["primary"].get("new.key") == b"some text")
        await until(pilot, lambda: key_of(screen) == "new.key")
        await pilot.press("p", *"nonsense", "enter")
        await until(pilot, lambda: "write KEY=VALUE" in text_of(pilot))
        await pilot.press("X")
        assert "Unlink key new.key?" in text_of(pilot)
        await pilot.press("enter")
        assert len(store.commits) == 1
        await pilot.press("X", "right", "enter")
        await until(pilot, lambda: "new.key" not in store.values["primary"])


async def test_unlink_of_marked_directories() -> None:
    store, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f7", KvsScreen)
        await pilot.press("space", "space", "X")
        assert "directories go with all that is in them" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: bool(store.commits))
        assert [op["key"] for op in store.commits[0]["ops"]] == ["admin", "count"]


async def test_go_to_filter_and_copy() -> None:
    _, feed = stored()
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("o", *"admin.note", "enter")
        await until(
            pilot, lambda: screen.view.row is not None and screen.view.row.key == "admin.note"
        )
        await until(pilot, lambda: screen.value == b"first line\nsecond line\n")
        await pilot.press("V")
        assert pilot.app.clipboard == "first line\nsecond line\n"
        await pilot.press("y")
        assert pilot.app.clipboard == "admin.note"
        await pilot.press("slash", *"note", "enter")
        assert [row.key for row in screen.listing.shown] == ["admin.note"]
        await pilot.press("s", "r")  # the tree has one order
        assert [row.key for row in screen.listing.shown] == ["admin.note"]


async def test_a_directory_that_cannot_be_read_is_told() -> None:
    store, feed = stored()
    lookup = store.lookup

    def refuse(request: JsonMapping, rank: int) -> JsonObject:
        if request["key"] == "admin":
            raise OSError(errno.EPERM, "Operation not permitted")
        return lookup(request, rank)

    feed.answers["kvs.lookup"] = refuse
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f7", KvsScreen)
        await pilot.press("enter")
        await until(pilot, lambda: "admin: Operation not permitted" in text_of(pilot))
        assert not screen.trouble


async def test_read_only_changes_nothing() -> None:
    _, feed = stored()
    async with make(feed, read_only=True).run_test(size=SIZE) as pilot:
        await opened(pilot, "f7", KvsScreen)
        await pilot.press("p", "X")
        assert not isinstance(pilot.app.screen, IntentScreen)


@SIZES
@pytest.mark.parametrize(("name", "keys"), [("tree", ("end", "enter"))], ids=["tree"])
def test_kvs_looks(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    ready = after("f7", KvsScreen, *keys)

    async def run(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, KvsScreen)
        await at(pilot, screen, "resource.eventlog")
        await until(pilot, lambda: len(screen.pane.content) == 2)

    assert snap_compare(make(views_feed()), terminal_size=size, run_before=run)
