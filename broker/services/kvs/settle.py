"""Which directory blobs have to be written: only those that a root refers to when it is made
durable.

Every commit writes the path of directories from what it changes to the root anew, and most of those
blobs are superseded within milliseconds. The leader has the content service *hold* directories in
memory. Here is noted how they hang together, so that they can be *settled*, from the roots that
matter downwards, and *freed*, a grace period after nothing referred to them any more.

`Held` is the book-keeping, without clock or messages; `Settler` talks to the content service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.dirblob import Entries, references

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping

    from broker.context import Context

INTERVAL: Final = 1.0
# Superseded directories beyond this many bytes are written before their grace period is over, for
# the collector to drop.
SUPERSEDED_BYTES: Final = 48 << 20


class _HeldDirectory(Struct):
    """A held directory: its entries, None once they are unlikely to be needed, its size, and when
    it was superseded.
    """

    entries: Entries | None
    size: int
    since: float = 0.0


class Held:
    """Held directories by blobref. Those that a root may refer to are *current*, the others
    *superseded*, oldest first.
    """

    def __init__(self) -> None:
        self._current: dict[str, _HeldDirectory] = {}
        self._superseded: dict[str, _HeldDirectory] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._current) + len(self._superseded)

    def add(self, directories: Mapping[str, Entries], sizes: Callable[[str], int]) -> None:
        """Note that ``directories`` are held."""
        for ref, entries in directories.items():
            old = self._superseded.pop(ref, None)
            if old is not None:
                self._bytes -= old.size
            self._current[ref] = _HeldDirectory(entries, sizes(ref))

    def replaced(self, refs: Iterable[str]) -> None:
        """Note that commits put other directories in the place of ``refs``: most likely nothing
        leads to them any more.
        """
        for ref in refs:
            node = self._current.get(ref)
            if node is not None and node.entries:
                node.entries = None

    def _reach(self, roots: Iterable[str]) -> list[str]:
        """Return the held directories that ``roots`` lead to, each after those it refers to.

        If one of them turns up whose entries were given up, it is all that are held: too much is
        only written in vain.
        """
        found: dict[str, None] = {}
        pending = [(ref, False) for ref in roots]
        while pending:
            ref, done = pending.pop()
            if done:
                found[ref] = None
                continue
            node = self._current.get(ref) or self._superseded.get(ref)
            if node is None or ref in found:
                continue
            if node.entries is None:
                return [*self._superseded, *self._current]
            pending.append((ref, True))
            pending.extend(
                (child, False) for child in references(node.entries.values()).directories
            )
        return list(found)

    def settle(self, roots: Iterable[str]) -> list[str]:
        """Forget what ``roots`` lead to, which is to be written; returns it, each after those it
        refers to.
        """
        refs = self._reach(roots)
        for ref in refs:
            if self._current.pop(ref, None) is None:
                self._bytes -= self._superseded.pop(ref).size
        return refs

    def supersede(self, keep: Iterable[str], now: float) -> None:
        """Note that the current directories are in no root, except what the roots ``keep`` lead
        to.
        """
        kept: dict[str, _HeldDirectory] = {}
        for ref in self._reach(keep):
            node = self._superseded.pop(ref, None)
            if node is not None:
                self._bytes -= node.size
            kept[ref] = node or self._current.pop(ref)
        for ref, node in self._current.items():
            node.since = now
            if node.entries:
                node.entries = None
            self._bytes += node.size
            self._superseded[ref] = node
        self._current = kept

    def expire(self, before: float, limit: int) -> tuple[list[str], list[str]]:
        """Forget what was superseded ``before`` that time, and more until at most ``limit`` bytes
        are superseded.

        Returns what can be freed, and what has to be written because its time is not over.
        """
        free: list[str] = []
        write: list[str] = []
        for ref, node in self._superseded.items():
            if node.since < before:
                free.append(ref)
            elif self._bytes > limit:
                write.append(ref)
            else:
                break
            self._bytes -= node.size
        for ref in (*free, *write):
            del self._superseded[ref]
        return free, write


class Settler:
    """Keeps the content service's held blobs in step with the roots.

    ``roots`` returns those of all namespaces, ``coming`` those that are being stored and will be
    published.
    """

    def __init__(
        self, ctx: Context, roots: Callable[[], list[str]], coming: Callable[[], list[str]]
    ) -> None:
        self._ctx = ctx
        self._roots = roots
        self._coming = coming
        self._held = Held()
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, directories: Mapping[str, Entries], blobs: Mapping[str, bytes]) -> None:
        """Note the directories among ``blobs``, which are sent to be held."""
        self._held.add(directories, lambda ref: len(blobs[ref]))
        self._wake()

    def replaced(self, refs: Iterable[str]) -> None:
        """Note directories that have no place any more in the root that has just been published."""
        self._held.replaced(refs)

    def _wake(self) -> None:
        if self._timer is None and self._held:
            self._timer = self._ctx.call_later(INTERVAL, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.settle_all()
        self._wake()

    def settle(self, rootref: str) -> None:
        """Have what ``rootref`` leads to written by the next flush of the content service."""
        self._send(self._held.settle([rootref]), [])

    def settle_all(self, also: Iterable[str] = ()) -> None:
        """Have what any namespace's root, or one of ``also``, leads to written; free what was
        superseded long enough ago.
        """
        held, now = self._held, self._ctx.loop_time()
        refs = held.settle([*self._roots(), *also])
        held.supersede(self._coming(), now)
        grace = float(self._ctx.attrs.get("content.grace-period") or 0)
        free, write = held.expire(now - grace, SUPERSEDED_BYTES)
        self._send(refs + write, free)

    def _send(self, refs: list[str], free: list[str]) -> None:
        if not refs and not free:
            return
        self._ctx.handle.post("content.settle", {"settle": refs, "free": free}, self._sent)

    def _sent(self, msg: object) -> None:
        """The content service of this broker is in the same loop: only its being unloaded can fail,
        and then all is lost with it.
        """

    def close(self) -> None:
        """Settle what is in use, at the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.settle_all()
