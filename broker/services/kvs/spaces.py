"""The namespaces that a rank knows, and how the others keep up with the leader's.

Rank 0 has them all. Another rank asks the leader for one when it is used first, and from then on
follows the events that name its roots.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from broker.service import Request
from broker.services.kvs.directory import Missing
from broker.services.kvs.namespace import Namespace, UnknownNamespace, not_supported
from flux import kvs_event
from flux.kvs_limits import check_namespace
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from broker.context import Context
    from broker.services.kvs.cache import ObjectCache
    from broker.services.kvs.objects import ObjectLoader
    from flux.wire.message import Message

T = TypeVar("T")
Callers: TypeAlias = list[Request]
Space: TypeAlias = Namespace[Callers]
LEADER_RANK: Final = 0


class Spaces:
    """The namespaces of one rank by name, in ``table``."""

    def __init__(self, ctx: Context, cache: ObjectCache, loader: ObjectLoader) -> None:
        self._ctx = ctx
        self._cache = cache
        self._loader = loader
        self.table: dict[str, Space] = {}
        self._moves = 0
        self._missed: dict[str, bool] = {}
        self._paused: set[str] = set()

    def roots(self) -> list[str]:
        """Return the roots of all namespaces."""
        return [space.rootref for space in self.table.values()]

    def find(self, name: str, userid: int, rolemask: int) -> Space:
        """Return a namespace the user may use.

        Raises `UnknownNamespace`, OSError: ENOTSUP, EPERM, EINVAL or ENAMETOOLONG if there can be
        none of that name.
        """
        space = self.table.get(name)
        if space is None:
            check_namespace(name)
            if self._ctx.rank == LEADER_RANK:
                raise not_supported()
            raise UnknownNamespace(name)
        if not space.allows(userid, rolemask):
            raise os_error(errno.EPERM)
        return space

    def attempt(
        self, work: Callable[[], T], newer: Callable[[], bool] | None = None
    ) -> T | Awaitable[T]:
        """Return what ``work`` returns, at once if everything it needs is here, else as a coroutine
        that gets it first.

        A root that was superseded for longer than content.grace-period may be incomplete. If
        something is not to be found, ``newer`` moves ``work`` on to a newer root, or returns False;
        by default a rank looks again when it has learnt of one.
        """
        # ``work`` is run from its beginning again after each load, as often as it takes: it must be
        # replayable. It looks up the namespace and root each time, for both may have moved
        # meanwhile, and it answers, waits or sends only after everything in it that can raise
        # `Missing` or `UnknownNamespace`.
        try:
            return work()
        except (Missing, UnknownNamespace) as need:
            return self._retry(work, need, newer)

    async def _retry(
        self,
        work: Callable[[], T],
        need: Missing | UnknownNamespace,
        newer: Callable[[], bool] | None,
    ) -> T:
        errors: dict[str, OSError] = {}
        # What one round has loaded must still be there when the next one has its part, or two
        # rounds that push out each other's objects would never end.
        with self._cache.hold():
            while True:
                moves = self._moves
                if isinstance(need, Missing):
                    errors |= await self._loader.load_each(need.refs, directory=need.directory)
                    gone = [ref for ref, exc in errors.items() if exc.errno == errno.ENOENT]
                    if gone and (newer() if newer is not None else moves != self._moves):
                        errors = {ref: exc for ref, exc in errors.items() if ref not in gone}
                else:
                    await self._fetch(need.name)
                try:
                    with self._cache.failing(errors):
                        return work()
                except (Missing, UnknownNamespace) as again:
                    need = again

    # Following the leader

    async def start_following(self) -> None:
        """Subscribe to what the leader publishes."""
        await self._ctx.handle.on_event(kvs_event.SETROOT, self._on_setroot)
        await self._ctx.handle.on_event(kvs_event.REMOVED, self._on_removed)

    async def _fetch(self, name: str) -> None:
        """Learn of a namespace from the leader; raises OSError(ENOTSUP) if it does not exist."""
        found = await self._ctx.handle.rpc(
            "kvs.getroot", {"namespace": name, "flags": 0}, nodeid=LEADER_RANK
        )
        match found:
            case {"rootref": str(rootref), "rootseq": int(rootseq), "owner": int(owner)}:
                self.follow(name, rootref, rootseq, owner)
            case _:
                raise os_error(errno.EPROTO)

    def follow(self, name: str, rootref: str, rootseq: int, owner: int) -> None:
        """Take a root that the leader has told of, unless roots of this namespace are paused."""
        space = self.table.get(name)
        if space is None:
            self.table[name] = Namespace(name, owner, rootref, rootseq)
        elif name not in self._paused:
            space.advance(rootref, rootseq)
        self._moves += 1

    def _on_setroot(self, msg: Message) -> None:
        root = kvs_event.setroot_of(msg)
        if root is None:
            self._ctx.log.err(f"malformed event {msg.topic!r} is ignored")
            return
        if root.namespace in self._paused:
            return
        space = self.table.get(root.namespace)
        if space is not None and root.rootseq > space.rootseq + 1:
            # The events of the leader leave out no version. Someone else published this, or
            # something was lost: ask.
            if root.namespace in self._missed:
                self._missed[root.namespace] = True
            else:
                self._ctx.spawn(self._catch_up(root.namespace), f"kvs root of {root.namespace}")
            return
        self.follow(root.namespace, root.rootref, root.rootseq, root.owner)

    def pause(self, name: str) -> None:
        """Stay at the root that a namespace has here until `unpause`; the leader's own roots cannot
        be paused.
        """
        if self._ctx.rank != LEADER_RANK:
            self._paused.add(name)

    async def unpause(self, name: str) -> None:
        """Undo `pause` and take the newest root; raises OSError as the leader's answer does."""
        if name in self._paused:
            self._paused.discard(name)
            await self._fetch(name)

    async def _catch_up(self, name: str) -> None:
        """Ask the leader for the root of a namespace, again if an event came meanwhile."""
        self._missed[name] = True
        try:
            while self._missed[name]:
                self._missed[name] = False
                await self._fetch(name)
        except OSError as exc:
            self._ctx.log.err(f"root of {name}: {exc.strerror}")
        finally:
            del self._missed[name]

    def _on_removed(self, msg: Message) -> None:
        name = kvs_event.removed_of(msg)
        if name is None:
            self._ctx.log.err(f"malformed event {msg.topic!r} is ignored")
        else:
            self.forget(name)

    def forget(self, name: str) -> Space | None:
        """Drop a namespace that is gone and tell those whose transactions wait in it; returns it,
        None if it is not known here.
        """
        self._paused.discard(name)
        space = self.table.pop(name, None)
        if space is not None:
            for txn in space.remove():
                for caller in txn.origin:
                    caller.fail(not_supported())
        return space
