"""``flux kvs ls`` and ``flux kvs dir``: what is in a directory (flux-kvs(1))."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from flux.terminal_text import terminal_line
from fluxctl.color import Paint, color_option, painted
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.commands.kvs_options import (
    failing,
    namespace_hint,
    namespace_option,
    parse_at,
    snapshot_option,
)
from fluxctl.completions import kvs_keys
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.handle import Flux
    from flux.treeobj import TreeObj
    from fluxctl.color import Role

GAP = 4
_COLORS: dict[str, Role] = {"dir": "heading", "dirref": "heading", "symlink": "faint"}
"""What stands out in ``flux kvs ls``, by the types of objects."""


def terminal_width(width: int | None) -> int:
    """Return the width to write for: what the user said, the terminal's, COLUMNS, or 80."""
    if width is not None:
        return width
    if not sys.stdout.isatty():
        columns = os.environ.get("COLUMNS", "")
        return int(columns) if columns.isdecimal() else 80
    return os.get_terminal_size(sys.stdout.fileno()).columns


def child_key(key: str, name: str) -> str:
    """Return the key of an entry of the directory ``key``."""
    return name if key == "." else f"{key}.{name}"


def is_dir(obj: TreeObj) -> bool:
    """Tell whether an RFC 11 object is a directory."""
    return obj["type"] in ("dir", "dirref")


def columns(
    names: list[str], width: int, gap: int = GAP, roles: list[Role] | None = None
) -> Iterator[str]:
    """Yield lines of ``names`` in as many columns as fit in ``width``, sorted downwards as ls(1)
    does; ``roles`` are the colors of the names, if they have any.
    """
    names = [terminal_line(name) for name in names]
    cell = max(len(name.rstrip(".@")) for name in names) + gap
    count = max(1, width // cell)
    rows = -(-len(names) // count)
    for row in range(rows):
        line = names[row::rows]
        padded = [*(f"{name:<{cell}}" for name in line[:-1]), line[-1]]
        if roles is not None:
            padded = [
                painted(name, role) + text[len(name) :]
                for name, text, role in zip(line, padded, roles[row::rows], strict=True)
            ]
        yield "".join(padded)


@dataclass
class Lister:
    """Prints directories the way ls(1) does."""

    h: Flux
    namespace: str | None
    recursive: bool
    classify: bool
    width: int
    as_json: bool
    paint: Paint
    printed: bool = False

    def entries(self, key: str) -> dict[str, TreeObj]:
        """Return what is in the directory ``key``."""
        from flux import kvs_rpc
        from flux.kvs_txn import READDIR

        return kvs_rpc.dir_of(kvs_rpc.lookup(self.h, key, READDIR, self.namespace))

    def mark(self, name: str, obj: TreeObj) -> str:
        """Return the name as it is shown: with -F a directory ends in a period, a link in an at
        sign.
        """
        if not self.classify:
            return name
        return name + ("." if is_dir(obj) else "@" if obj["type"] == "symlink" else "")

    def names(self, key: str, entries: list[tuple[str, TreeObj]]) -> None:
        """Print what is in the directory ``key``, or the keys themselves, in columns or as JSON."""
        if self.as_json:
            for name, obj in entries:
                kind = "dir" if is_dir(obj) else "symlink" if obj["type"] == "symlink" else "value"
                print_json({"key": child_key(key, name) if key else name, "type": kind})
            return
        shown = [self.mark(name, obj) for name, obj in entries]
        if shown:
            colors = [_COLORS.get(obj["type"], "") for _, obj in entries] if self.paint else None
            for line in columns(shown, self.width, roles=colors):
                echo(line, raw=True)
            self.printed = True

    def is_listed(self, key: str, obj: TreeObj, itself: bool) -> bool:
        """Tell whether the contents of ``key`` are listed instead of its name, which is without
        spare periods: those of a directory, and of one that a link leads to.

        With ``itself``, nothing's are, and with -F no link's.
        """
        if itself or obj["type"] != "symlink":
            return is_dir(obj) and not itself
        return not self.classify and self._leads_to_directory(key)

    def _leads_to_directory(self, key: str) -> bool:
        from flux import kvs_rpc

        try:
            return kvs_rpc.is_directory(self.h, key, self.namespace)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTSUP):
                return False
            raise

    def check_directory(self, key: str, name: str, obj: TreeObj) -> None:
        """Raise OSError(ENOTDIR) if ``key``, as it was given, ends in a period and what it means,
        ``name``, is no directory.
        """
        from flux.wire.errors import os_error

        if key.endswith(".") and not is_dir(obj):
            if obj["type"] == "symlink" and self._leads_to_directory(name):
                return
            raise os_error(errno.ENOTDIR)

    def directory(self, key: str, *, header: bool) -> None:
        """Print a directory and, if recursive, those below it."""
        with failing(key):
            entries = sorted(self.entries(key).items())
        if header and not self.as_json:
            echo(f"\n{key}:" if self.printed else f"{key}:")
            self.printed = True
        self.names(key, entries)
        if self.recursive:
            for name, obj in entries:
                if is_dir(obj):
                    self.directory(child_key(key, name), header=True)


@click.command("ls", cls=FluxCommand)
@namespace_option
@click.option("-R", "--recursive", is_flag=True, help="List directories recursively.")
@click.option("-d", "--directory", is_flag=True, help="List the directory, not its contents.")
@click.option(
    "-F", "--classify", is_flag=True, help="Mark directories with a period, links with an at sign."
)
@click.option("-w", "--width", type=COUNT, metavar="COLS", help="The width to write for.")
@click.option("-1", "--1col", "one", is_flag=True, help="List one key a line.")
@json_option("Print each key as one line of JSON, with its type.")
@color_option()
@click.argument("keys", nargs=-1, metavar="[KEY...]", shell_complete=kvs_keys)
def ls_command(
    keys: tuple[str, ...],
    namespace: str | None,
    recursive: bool,
    directory: bool,
    classify: bool,
    width: int | None,
    one: bool,
    as_json: bool,
    color: str,
) -> None:
    """List a directory, the root by default."""
    from flux import kvs_rpc
    from flux.kvs_txn import TREEOBJ, normalize

    failed = False
    with handle() as h:
        columns = 1 if one else terminal_width(width) or sys.maxsize
        lister = Lister(h, namespace, recursive, classify, columns, as_json, Paint(color))
        plain: list[tuple[str, TreeObj]] = []
        directories: list[str] = []
        for key in keys or (".",):
            try:
                name = normalize(key)
                obj = kvs_rpc.treeobj_of(kvs_rpc.lookup(h, name, TREEOBJ, namespace))
                lister.check_directory(key, name, obj)
                listed = lister.is_listed(name, obj, directory)
            except OSError as exc:
                sys.stdout.flush()
                reason = f"{os.strerror(exc.errno or 0)}{namespace_hint(exc)}"
                echo(f"{key.rstrip('.') or key}: {reason}", err=True)
                failed = True
                continue
            if listed:
                directories.append(name)
            else:
                plain.append((name, obj))
        lister.names("", sorted(plain, key=lambda entry: entry[0]))
        header = recursive or len(keys) > 1
        for key in directories:
            lister.directory(key, header=header)
    if failed:
        raise CommandError()


@click.command("dir", cls=FluxCommand)
@namespace_option
@click.option("-R", "--recursive", is_flag=True, help="Show keys below subdirectories.")
@click.option("-d", "--directory", is_flag=True, help="Show keys without values.")
@click.option(
    "-w", "--width", type=COUNT, metavar="COLS", help="Cut lines to fit COLS, 0 for unlimited."
)
@snapshot_option
@json_option("Print each key as one line of JSON, values in full.")
@click.argument("key", default=".", shell_complete=kvs_keys)
def dir_command(
    key: str,
    namespace: str | None,
    recursive: bool,
    directory: bool,
    width: int | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Show keys and values under a directory, the root by default."""
    from flux.kvs_txn import normalize

    with handle() as h:
        tree = _Tree(
            h, namespace, parse_at(at), recursive, not directory, terminal_width(width), as_json
        )
        with failing(key):
            name = normalize(key)
        tree.show(name)


ASKED_ONE_BY_ONE = 256
"""Entries up to which each value is asked for, as flux-core's command does; of 100,000 that takes
minutes."""


@dataclass
class _Tree:
    h: Flux
    namespace: str | None
    rootdir: TreeObj | None
    recursive: bool
    values: bool
    width: int
    as_json: bool = False

    def show(self, key: str, *, below: bool = False) -> None:
        """Print what is in the directory ``key``; an empty one is printed itself when it is
        ``below`` the one that was asked for.
        """
        from flux import kvs_rpc
        from flux.kvs_txn import READDIR

        with failing(key):
            entries = kvs_rpc.dir_of(
                kvs_rpc.lookup(self.h, key, READDIR, self.namespace, self.rootdir)
            )
        if below and not entries:
            self._line(f"{key}.", key, type="dir")
        for name, obj in sorted(entries.items()):
            self._show_entry(child_key(key, name), obj, len(entries) > ASKED_ONE_BY_ONE)

    def _show_entry(self, key: str, obj: TreeObj, large: bool) -> None:
        if is_dir(obj):
            if self.recursive:
                self.show(key, below=True)
            else:
                self._line(f"{key}.", key, type="dir")
        elif obj["type"] == "symlink":
            link = obj["data"]
            space = link.get("namespace")
            target = link["target"] if space is None else f"{space}::{link['target']}"
            self._line(f"{key} -> {target}", key, type="symlink", target=target)
        elif not self.values:
            self._line(key, key, type="value")
        else:
            text = self._value(key, obj, large)
            shown = text.partition("\0")[0]
            self._line(f"{key} = {self._cut(shown, len(key) + 3)}", key, type="value", value=text)

    def _value(self, key: str, obj: TreeObj, large: bool) -> str:
        """Return a value as text; in a large directory the listing itself tells the short ones."""
        from flux import kvs_rpc
        from flux.treeobj import decode_val

        with failing(key):
            if large and obj["type"] == "val":
                data = decode_val(obj)
            else:
                data = kvs_rpc.value_of(
                    kvs_rpc.lookup(self.h, key, 0, self.namespace, self.rootdir)
                )
        return data.decode("utf-8", "replace")

    def _line(self, text: str, key: str, **facts: str) -> None:
        """Print an entry, as text or as JSON."""
        if self.as_json:
            print_json({"key": key, **facts})
        else:
            echo(text)

    def _cut(self, text: str, used: int) -> str:
        """Return as much of a value as fits after ``used`` characters, room for the ellipsis always
        kept.
        """
        if self.width == 0:
            return text
        room = max(0, self.width - used - 3)
        line, newline, _ = text.partition("\n")
        if len(line) > room:
            return line[:room] + "..."
        return line + "..." if newline else line
