"""A browser of the key-value store: its namespaces as trees, read as they are opened; values that
can be read, watched, copied, put and unlinked.
"""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from flux.kvs_flags import PRIMARY
from tui.feed import kvs as requests
from tui.model import format as fmt
from tui.model.intent import Intent, many
from tui.model.kvs import DIRECTORY, LINK, ROOT, KvsRow, KvsTree, kvs_listing, parent
from tui.model.kvs_value import compared, value_lines
from tui.model.unexpected import UNEXPECTED
from tui.screens.listing import ListingScreen, Part
from tui.screens.prompt import MenuScreen
from tui.widgets import palette
from tui.widgets.kvs_painter import KvsPainter
from tui.widgets.palette import LINE_COLOUR
from tui.widgets.steady_log import SteadyLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from tui.model.listing import Listing
    from tui.model.logs import Line

QUICK: Final = 1 << 16
"""Bytes of a value that are laid out at once; more of them in a thread."""
_GONE: Final = {
    errno.ENOENT: "it was removed",
    errno.EISDIR: "it is a directory now",
    errno.ENOTDIR: "what was a directory is a value now",
    errno.ENOTSUP: "the namespace was removed",
}
"""What a watch ends with when there is no value any more."""


class KvsScreen(ListingScreen[KvsRow]):
    """One namespace at a time, the primary one first."""

    title_text = "Keys"
    noun = "key"
    sortable = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="kvs.back"),
        Binding(
            "enter",
            "open",
            "Open",
            tooltip="Open or close the directory",
            key_display="\u23ce",
            id="kvs.open",
        ),
        Binding("n", "namespace", "Namespace", tooltip="Choose a namespace", id="kvs.namespace"),
        Binding("w", "watch", "Watch", tooltip="Watch the value, or stop", id="kvs.watch"),
        Binding("o", "go_key", "Go to", tooltip="Go to a key by its name", id="kvs.go"),
        Binding("p", "put_key", "Put", tooltip="Set a key to a text", id="kvs.put"),
        Binding(
            "delete,X",
            "unlink_key",
            "Unlink",
            tooltip="Remove the marked keys or this one",
            key_display="X",
            id="kvs.unlink",
        ),
        *ListingScreen.MARK_BINDINGS,
        Binding("V", "copy_value", "Copy the value", show=False, id="kvs.copy_value"),
        Binding("right,l", "open_directory", "Open the directory", show=False, id="kvs.right"),
        Binding(
            "left,h", "close_directory", "Close the directory, or go up", show=False, id="kvs.left"
        ),
        Binding("J", "scroll(3)", "Scroll the value down", show=False, id="kvs.down"),
        Binding("K", "scroll(-3)", "Scroll the value up", show=False, id="kvs.up"),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.namespace = PRIMARY
        self.keys = KvsTree()
        self.watching = ""
        """The key that is watched."""
        self.value = b""
        self._root = ""
        self._all = False
        self._kind = ""
        self._shown: tuple[str, str, object] = ("", "", None)
        """Namespace, key and version of the value in the pane."""
        self._lines: list[Line] = []
        self._wanted = ""

    def make_listing(self) -> Listing[KvsRow]:
        """Return the empty list."""
        return kvs_listing()

    def make_painter(self) -> KvsPainter:
        """Return what says how keys look."""
        return KvsPainter(self.dashboard, self.glyphs)

    def body(self) -> Iterable[Widget]:
        """Return the tree and the value under the cursor."""
        colours = {**LINE_COLOUR, "changed": palette.AMBER}
        yield from self.split(SteadyLog("Value", self.glyphs, colours, id="value"))

    @property
    def pane(self) -> SteadyLog:
        """The value."""
        return self.query_one("#value", SteadyLog)

    def figures(self) -> Sequence[Part]:
        """Return the namespace and how much of it is to be seen."""
        parts: list[Part] = [(f"{fmt.printable(self.namespace)}  ", palette.ACCENT)]
        parts.append((f"{many(self.listing.total, 'key')} to be seen", palette.SOFT))
        if self.watching:
            parts.append((f"  watching {fmt.printable(self.watching)}", palette.AMBER))
        return parts

    # Reading

    async def read(self) -> None:
        """Read the directories that are open and not as they are known, then the value."""
        namespace, tree = self.namespace, self.keys
        try:
            self._root = await requests.root(self.feed, namespace)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            raise OSError(error.errno, f"there is no namespace {namespace}") from error
        everything, self._all = self._all, False
        changed = not self.known
        while True:
            wanted = tree.stale(self._root, all_of_them=everything)
            everything = False
            if not wanted:
                break
            changed = True
            for key in wanted:
                await self._read_directory(tree, namespace, key)
        if changed and tree is self.keys:
            self._rearrange()
        await self._read_value()

    async def _read_directory(self, tree: KvsTree, namespace: str, key: str) -> None:
        ref = tree.ref_of(key, self._root)
        try:
            tree.take(key, await requests.read_directory(self.feed, namespace, key), ref)
        except OSError as error:
            if key == ROOT:
                raise
            tree.opened.discard(key)
            tree.fail(key, str(error.strerror or error))
            if self._wanted or error.errno != errno.ENOENT:  # else it is gone from the list, too
                self.warn(f"{fmt.printable(key)}: {error.strerror or error}")

    def _rearrange(self) -> None:
        self.listing.replace(self.keys.rows())
        self.view.update()
        if self._wanted and self.view.move_to_key(self._wanted):
            self._wanted = ""

    async def _read_value(self) -> None:
        row = self.view.row
        if row is None or self.watching == row.key:
            return
        if row.kind == DIRECTORY:
            number = self.keys.entries(row.key)
            text = many(number, "key") if number >= 0 else "a directory: Enter opens it"
            self._tell(row.key, "directory", text)
            return
        version = self.keys.version_of(row, self._root)
        if (self.namespace, row.key, version) == self._shown:
            return
        try:
            data = await requests.read_value(self.feed, self.namespace, row.key)
        except OSError as error:
            reason = str(error.strerror or error)
            text = f"a link to {row.target}: {reason}" if row.kind == LINK else reason
            self._tell(row.key, "", text)
            return
        if await self._show(row.key, data):
            self._shown = (self.namespace, row.key, version)

    def _tell(self, key: str, remark: str, text: str) -> None:
        """Say why there is no value in the pane."""
        self._put(key, b"", "", [], remark, text)

    async def _show(self, key: str, data: bytes, remark: str | None = None) -> bool:
        """Put a value into the pane; tells whether the cursor is still there after it was laid out,
        which keys do not wait for if it is large.
        """
        namespace = self.namespace
        if self._shown[:2] == (namespace, key) and data == self.value and self._lines:
            kind, lines = self._kind, self._lines
        elif len(data) > QUICK:
            kind, lines = await asyncio.to_thread(value_lines, data)
        else:
            kind, lines = value_lines(data)
        row = self.view.row
        if row is None or (self.namespace, row.key) != (namespace, key):
            return False
        self._put(key, data, kind, lines, remark, "an empty value")
        return True

    def _put(
        self, key: str, data: bytes, kind: str, lines: list[Line], remark: str | None, empty: str
    ) -> None:
        """Put lines into the pane, with what has changed since the key was there before."""
        self._kind = kind
        same = self._shown[:2] == (self.namespace, key)
        before, self._lines = (self._lines if same else []), lines
        if same and before and data != self.value:
            lines = compared(lines, before)
        self.value = data
        self._shown = (self.namespace, key, None)
        pane = self.pane
        pane.title = fmt.printable(key)
        size = f"{kind}, {many(len(data), 'byte')}"
        pane.set_source(size if remark is None else remark, empty, live=False)
        pane.show(lines)

    def moved(self) -> None:
        """Show the value that the cursor is on now."""
        row = self.view.row
        if self.watching and row is not None and row.key != self.watching:
            self._stop_watching()
        if self.known and self.composed:
            self.start(self._moved, "moved", exclusive=True)

    async def _moved(self) -> None:
        try:
            await self._read_value()
        except OSError as error:
            self.pane.set_source("", str(error.strerror or error), live=False)
        except UNEXPECTED as error:
            self.pane.set_source("", f"not a value: {error!r}", live=False)

    def action_again(self) -> None:
        """Read all that is open again, large directories too."""
        self._all = True
        self._shown = (*self._shown[:2], None)
        super().action_again()

    def action_scroll(self, lines: int) -> None:
        """Scroll the value."""
        self.pane.move_by(lines)

    # The tree

    def opened(self, row: KvsRow) -> None:
        """Open or close a directory."""
        if row.kind == DIRECTORY:
            self._set_open(row, not row.opened)

    def _set_open(self, row: KvsRow, opened: bool) -> None:
        if opened:
            self.keys.opened.add(row.key)
            self.keys.errors.pop(row.key, None)
            self._again.set()
        else:
            self.keys.close(row.key)
            self._rearrange()
            self.live_update()

    def action_open_directory(self) -> None:
        """Open the directory; in an open one go to its first key."""
        row = self.view.row
        if row is not None and row.kind == DIRECTORY:
            if row.opened:
                self.view.move_by(1)
            else:
                self._set_open(row, True)

    def action_close_directory(self) -> None:
        """Close the directory, or go to the one that the key is in."""
        row = self.view.row
        if row is not None and row.opened:
            self._set_open(row, False)
        elif row is not None:
            self.view.move_to_key(parent(row.key))

    def action_go_key(self) -> None:
        """Ask for a key and go there."""
        row = self.view.row

        async def work(text: str) -> str:
            self.go_to(text.strip().strip("."))
            return f"looking for {text.strip()}"

        given = "" if row is None else row.key
        self.ask(Intent("Go to", "key", ("",), "Key", given), work)

    def go_to(self, key: str) -> None:
        """Open all that is above a key, and put the cursor on it once it is read."""
        self.keys.open_to(key)
        self._wanted = key
        if self.view.move_to_key(key):
            self._wanted = ""
        self._again.set()

    # Namespaces

    def action_namespace(self) -> None:
        """Choose another namespace."""
        self.start(self._choose_namespace, "actions")

    async def _choose_namespace(self) -> None:
        try:
            names = await requests.namespaces(self.feed)
        except OSError as error:  # guests may not list them, but know the ones of their jobs

            async def work(text: str) -> str:
                self._go_namespace(requests.checked_namespace(text.strip()))
                return f"namespace {text.strip()}"

            note = f"they cannot be listed: {error.strerror or error}"
            self.ask(
                Intent("Go to", "namespace", ("",), "Name", self.namespace, notes=(note,)), work
            )
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                self._go_namespace(name)

        self.app.push_screen(
            MenuScreen("Which namespace?", [(name, name, "") for name in names], self.namespace),
            chosen,
        )

    def _go_namespace(self, name: str) -> None:
        self._stop_watching()
        self.namespace, self.keys, self.known = name, KvsTree(), False
        self.listing.replace([])
        self._tell("", "", "")
        self.live_update()
        self._again.set()

    # Watching

    def action_watch(self) -> None:
        """Show each change of the value at once, or stop that."""
        row = self.view.row
        if self.watching:
            self._stop_watching()
        elif row is None or row.kind == DIRECTORY:
            self.warn("only values can be watched")
        else:
            self.watching = row.key
            work = partial(self._watch, self.namespace, row.key)
            self.start(work, "watch", exclusive=True)
        self.live_update()

    def _stop_watching(self) -> None:
        self.watching = ""
        self.workers.cancel_group(self, "watch")

    async def _watch(self, namespace: str, key: str) -> None:
        changes = -1
        try:
            async for data in requests.watch_value(self.feed, namespace, key):
                changes += 1
                when = fmt.clock(self.dashboard.clock(), self.dashboard.clock())
                told = f"{many(changes, 'change')}, the last at {when}" if changes else "watching"
                await self._show(key, data, remark=f"{told}, {many(len(data), 'byte')}")
                self.dashboard.revision += 1
        except OSError as error:
            why = _GONE.get(error.errno or 0) or str(error.strerror or error)
            self.warn(f"{fmt.printable(key)} is not watched any more: {why}")
            if error.errno in _GONE and self._shown[:2] == (namespace, key):
                self._tell(key, "", why)  # what it was is not what it is
            self._again.set()
        except asyncio.CancelledError:
            raise
        except UNEXPECTED as error:
            self.warn(f"{key} is not watched any more: {error!r}")
        if self.watching == key:
            self.watching = ""
            self.dashboard.revision += 1

    # Copying and changing

    def action_copy_value(self) -> None:
        """Copy the value to the clipboard."""
        row = self.view.row
        if row is not None and row.kind != DIRECTORY:
            self.app.copy_to_clipboard(self.value.decode("utf-8", "replace"))
            self.notify(f"copied {many(len(self.value), 'byte')}", timeout=3)

    def action_put_key(self) -> None:
        """Ask for a key and a text to set it to."""
        row = self.view.row
        given = "" if row is None else f"{row.key}{'.' if row.kind == DIRECTORY else '='}"

        async def work(text: str) -> str:
            key, equals, value = text.partition("=")
            if not equals or not key.strip():
                raise OSError(errno.EINVAL, "write KEY=VALUE")
            name = await requests.put(self.feed, self.namespace, key.strip(), value)
            self.go_to(name)
            return f"put: {name}"

        where = f"in the namespace {self.namespace}"
        notes = (where, "what others wrote there is replaced; the instance may depend on it")
        self.ask(Intent("Put", "key", ("",), "KEY=VALUE", given, notes=notes), work)

    def action_unlink_key(self) -> None:
        """Remove keys, after asking."""
        chosen = self.targets()
        keys = tuple(row.key for row in chosen)
        notes = [f"in the namespace {self.namespace}"]
        if any(row.kind == DIRECTORY for row in chosen):
            notes.append("directories go with all that is in them")

        async def work(_: str) -> str:
            await requests.unlink(self.feed, self.namespace, keys)
            return f"unlinked: {many(len(keys), 'key')}"

        self.ask(Intent("Unlink", "key", keys, notes=tuple(notes)), work)
