"""Look-ups: the part of the kvs module that reads (flux_kvs_lookup(3))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Answer, NoReply, Request, request
from broker.services.kvs.directory import Missing
from broker.services.kvs.lookup import look_item, lookup, value_limit
from flux import treeobj
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from broker.log import Logger
    from broker.services.kvs.cache import ObjectCache
    from broker.services.kvs.spaces import Spaces


class Reading:
    """Answers look-ups on one rank, from the objects at hand or after loading them."""

    def __init__(self, spaces: Spaces, cache: ObjectCache, log: Logger) -> None:
        self._log = log
        self._spaces = spaces
        self._cache = cache

    @request("getroot", allow="guest")
    def getroot(self, req: Request) -> Answer:
        """Return root, sequence number and owner of a namespace."""
        name = req.get("namespace", str)
        return self._spaces.attempt(
            lambda: self._spaces.find(name, req.userid, req.rolemask).describe()
        )

    @request("lookup", allow="guest")
    def lookup(self, req: Request) -> Answer:
        """Look up a key in a namespace, or under the snapshot ``rootdir``, which only the owner may
        name.
        """
        key, flags = req.get("key", str), req.get("flags", int)
        rootdir = req.payload.get("rootdir")
        name = req.get("namespace", str, None)
        if rootdir is not None:
            if not req.is_owner:
                raise os_error(errno.EPERM)
            rootdir = treeobj.check(rootdir)
            if rootdir["type"] not in ("dir", "dirref"):
                raise os_error(errno.EINVAL)
        elif name is None:
            raise os_error(errno.EPROTO)
        userid, rolemask = req.userid, req.rolemask

        def root_of(namespace: str) -> str:
            return self._spaces.find(namespace, userid, rolemask).rootref

        def work() -> dict[str, object]:
            root = rootdir if rootdir is not None else treeobj.dirref(root_of(name or ""))
            return {"val": lookup(self._cache, root, key, flags, root_of, value_limit(rolemask))}

        return self._spaces.attempt(work)

    @request("lookup-plus")
    def lookup_plus(self, req: Request) -> Answer:
        """Look up several keys for kvs-watch, on behalf of ``userid``, under the current root or
        ``rootref``.

        ``lookups`` is a list of {key, flags, seen?}; with ``seen``, a `Position`, only what the
        value has grown by is returned. The answer has ``rootref``, ``rootseq`` and for each look-up
        {val, seen?} or {errnum}. A root that is not readable any more gives way to the current one.
        """
        name, lookups = req.get("namespace", str), req.get("lookups", list)
        userid, rolemask = req.get("userid", int), req.get("rolemask", int)
        rootref, rootseq = req.get("rootref", str, None), req.get("rootseq", int, 0)
        limit = value_limit(rolemask)
        current = False

        def root_of(namespace: str) -> str:
            return self._spaces.find(namespace, userid, rolemask).rootref

        def work() -> dict[str, object]:
            ref, seq = rootref, rootseq
            if ref is None or current:
                namespace = self._spaces.find(name, userid, rolemask)
                ref, seq = namespace.rootref, namespace.rootseq
            root = treeobj.dirref(ref)
            found, missing = [], []
            for item in lookups:
                try:
                    found.append(look_item(self._cache, root, item, root_of, limit))
                except Missing as exc:
                    missing.append(exc)
            if missing:
                raise Missing.all_of(missing)
            return {"rootref": ref, "rootseq": seq, "results": found}

        def newer() -> bool:
            nonlocal current
            before, current = current, self._spaces.find(name, userid, rolemask).rootseq > rootseq
            return current and not before

        return self._spaces.attempt(work, newer)

    @request("setroot-pause", allow="guest")
    async def setroot_pause(self, req: Request) -> None:
        """Have this rank stay at the root it has of ``namespace`` until ``kvs.setroot-unpause``.

        That is for tests of what a rank shows that lags behind. Rank 0 makes the roots and is not
        held up. A commit through a paused rank is answered when
        that rank has its root, so after the pause.
        """
        self._spaces.pause(await self._named(req))

    @request("setroot-unpause", allow="guest")
    async def setroot_unpause(self, req: Request) -> None:
        """Undo ``kvs.setroot-pause``; answered when this rank has the newest root of
        ``namespace``.
        """
        await self._spaces.unpause(await self._named(req))

    async def _named(self, req: Request) -> str:
        """Return the namespace of a request whose sender may use it; raises OSError: EPROTO, which
        is logged, and as `Spaces.find` does.
        """
        try:
            name = req.get("namespace", str)
        except OSError as exc:
            self._log.err(f"{req.topic}: {exc.strerror}")
            raise
        found = self._spaces.attempt(lambda: self._spaces.find(name, req.userid, req.rolemask).name)
        return found if isinstance(found, str) else await found

    @request("sync", allow="guest")
    @request("wait-version", allow="guest")
    def sync(self, req: Request) -> Answer:
        """Answer once the root's sequence number is at least ``rootseq``. ``kvs.wait-version`` is
        what today's flux-core calls it.
        """
        name, rootseq = req.get("namespace", str), req.get("rootseq", int)

        def work() -> NoReply:
            namespace = self._spaces.find(name, req.userid, req.rolemask)

            def reached(error: OSError | None) -> None:
                if error is None:
                    req.respond({"rootseq": namespace.rootseq, "rootref": namespace.rootref})
                else:
                    req.fail(error)

            namespace.wait(rootseq, reached, req.sender)
            return NO_REPLY

        return self._spaces.attempt(work)
