"""What one watcher of a key wants, has seen and is to be told: no messages here, only decisions."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from flux.kvs_flags import STREAM
from flux.kvs_limits import check_key, check_namespace
from flux.kvs_txn import (
    READDIR,
    READLINK,
    TREEOBJ,
    WAITCREATE,
    WATCH,
    WATCH_APPEND,
    WATCH_FULL,
    WATCH_UNIQ,
    normalize,
)
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonObject

_VARIANTS = WATCH_UNIQ | WATCH_APPEND | WATCH_FULL
_KNOWN = READDIR | READLINK | TREEOBJ | WATCH | WAITCREATE | STREAM | _VARIANTS
_START = {"refs": 0, "last": "", "length": 0}


class Verdict(Struct, frozen=True):
    """What to do after a look-up: send ``value`` if there is one, and end the watch if ``errnum``
    is set or it is ``final``.
    """

    value: JsonObject | None = None
    errnum: int = 0
    final: bool = False


class KeyWatch(Struct, eq=False):
    """One watcher (flux_kvs_lookup(3), FLAGS).

    ``roots`` are the roots that may have changed the key and have not been looked at, oldest first;
    ``busy`` means that a look-up is under way; ``early`` that the namespace does not exist yet;
    ``closing`` that it is gone and the watch ends when ``roots`` is empty.
    """

    namespace: str
    key: str
    flags: int
    userid: int
    rolemask: int
    roots: deque[tuple[str, int]] = field(default_factory=deque)
    busy: bool = False
    closing: bool = False
    early: bool = False
    started: bool = False
    _seen: JsonObject = field(default_factory=lambda: dict(_START))
    _last: JsonObject | None = None

    def __post_init__(self) -> None:
        """Raise OSError: EINVAL for flags that make no sense, ENAMETOOLONG or EINVAL for names
        beyond the bounds of the KVS.
        """
        if self.key:
            self.key = normalize(self.key)
        check_key(self.key)
        check_namespace(self.namespace)
        variants = self.flags & _VARIANTS
        appends_of_no_value = self.flags & WATCH_APPEND and self.flags & (
            READDIR | READLINK | TREEOBJ
        )
        if (
            not self.key
            or self.flags & ~_KNOWN
            or (variants and not self.flags & WATCH)
            or variants & (variants - 1)
            or appends_of_no_value
            or (self.flags & STREAM and self.flags & WATCH)
        ):
            raise os_error(errno.EINVAL)

    @property
    def streaming(self) -> bool:
        """Whether there is more than one response."""
        return bool(self.flags & (WATCH | STREAM))

    @property
    def may_come_early(self) -> bool:
        """Whether the namespace need not exist yet: for WAITCREATE, until the key was seen."""
        return bool(self.flags & WAITCREATE) and not self.started

    @property
    def every_root(self) -> bool:
        """Whether any new root is of interest, whatever keys it mentions."""
        return bool(self.flags & WATCH_FULL)

    def mentions(self) -> Iterator[str]:
        """Yield the keys whose mention in a commit is of interest: the key; its parents while it
        may still be created.
        """
        yield self.key
        if self.flags & WAITCREATE:
            end = self.key.rfind(".")
            while end > 0:
                yield self.key[:end]
                end = self.key.rfind(".", 0, end)

    def wants(self, keys: frozenset[str]) -> bool:
        """Tell whether a root that changed ``keys`` is of interest."""
        return self.every_root or self.key in keys or not self.started

    def lookup(self) -> dict[str, object]:
        """Return the look-up to make next, for kvs.lookup-plus."""
        wanted: dict[str, object] = {
            "key": self.key,
            "flags": self.flags & (READDIR | READLINK | TREEOBJ),
        }
        if self.flags & WATCH_APPEND:
            wanted["seen"] = self._seen
        return wanted

    def next_root(self) -> tuple[str, int] | None:
        """Remove and return the root to look at next; a watcher of appends goes to the newest,
        nothing is lost between.
        """
        if not self.roots:
            return None
        if self.flags & WATCH_APPEND:
            root = self.roots.pop()
            self.roots.clear()
            return root
        return self.roots.popleft()

    def skip_to(self, rootseq: int) -> None:
        """Forget roots up to ``rootseq``: the look-up that has been answered saw them."""
        while self.roots and self.roots[0][1] <= rootseq:
            self.roots.popleft()

    def judge(self, result: JsonObject) -> Verdict:
        """Take the result of a look-up, {val, seen?} or {errnum}, and decide what the watcher is
        told.
        """
        errnum = result.get("errnum", 0)
        if errnum:
            if errnum == errno.ENOENT and self.flags & WAITCREATE and not self.started:
                return Verdict()
            return Verdict(errnum=errnum)
        value = result["val"]
        first, self.started = not self.started, True
        if self.flags & STREAM:
            return Verdict(value, errno.ENODATA)
        if not self.streaming:
            return Verdict(value, final=True)
        if self.flags & WATCH_APPEND:
            grown = result["seen"]["length"] > self._seen["length"]
            self._seen = result["seen"]
            return Verdict(value if first or grown else None)
        if self.flags & (WATCH_UNIQ | WATCH_FULL):
            same, self._last = value == self._last, value
            return Verdict(value if first or not same else None)
        return Verdict(value)


class Index:
    """The watches of one namespace, by the keys they care about."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[KeyWatch, None]] = {}
        self._every_root: dict[KeyWatch, None] = {}
        self._all: dict[KeyWatch, None] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def __iter__(self) -> Iterator[KeyWatch]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def add(self, watch: KeyWatch) -> None:
        """Begin to find ``watch``."""
        self._all[watch] = None
        if watch.every_root:
            self._every_root[watch] = None
            return
        for key in watch.mentions():
            self._by_key.setdefault(key, {})[watch] = None

    def remove(self, watch: KeyWatch) -> None:
        """Find ``watch`` no more."""
        self._all.pop(watch, None)
        self._every_root.pop(watch, None)
        for key in watch.mentions():
            watches = self._by_key.get(key)
            if watches is not None:
                watches.pop(watch, None)
                if not watches:
                    del self._by_key[key]

    def concerned(self, keys: list[str]) -> list[KeyWatch]:
        """Return the watches that a commit mentioning ``keys`` concerns."""
        mentioned = frozenset(keys)
        found = dict(self._every_root)
        for key in mentioned:
            for watch in self._by_key.get(key, ()):
                if watch.wants(mentioned):
                    found[watch] = None
        return list(found)
