"""The kvs module: namespaces of keys and values over the content service (flux-kvs(1), RFC 11).

Rank 0 is the leader: it alone applies transactions. The other ranks pass commits on to it, follow
the ``kvs.setroot-<namespace>`` events, and read the tree through their own content cache. A commit
made through any rank is visible on that rank when it is answered.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, TypeVar

from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.checkpoint import Checkpointer, restore
from broker.services.kvs.commit import Transaction, parse_ops
from broker.services.kvs.directory import Missing
from broker.services.kvs.leader import Leader
from broker.services.kvs.lookup import look_item, lookup, value_limit
from broker.services.kvs.namespace import Fences, Namespace, UnknownNamespace, not_supported
from broker.services.kvs.objects import ObjectLoader, cache_figures
from flux import kvs_event, treeobj
from flux.dirblob import references
from flux.kvs_limits import check_namespace
from flux.kvs_txn import NO_MERGE, PRIMARY, SYNC
from flux.wire import json
from flux.wire.errors import error_of, os_error
from flux.wire.message import USERID_UNKNOWN, USERID_UNKNOWN_JSON, Message
from flux.wire.message import event as new_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context

T = TypeVar("T")
LEADER_RANK = 0
COMMIT_FLAGS = NO_MERGE | SYNC


class KvsService(Service):
    """The kvs module of one rank."""

    name = "kvs"
    stop_timeout = 300.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.cache = ObjectCache()
        self.loader = ObjectLoader(ctx.handle, self.cache)
        self.namespaces: dict[str, Namespace[list[Request]]] = {}
        self._fences: Fences[Request] = Fences()
        self._algorithm = ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH
        self.leader = (
            Leader(ctx, self.cache, self.loader, self._algorithm, self._roots)
            if ctx.rank == LEADER_RANK
            else None
        )
        self._moves = 0
        self._empty = ""
        self._missed: dict[str, bool] = {}

    async def start(self, args: list[str]) -> None:
        """On rank 0, take up the primary namespace where the last checkpoint left it; elsewhere
        begin to follow.
        """
        if self.leader is None:
            await self.ctx.handle.on_event(kvs_event.SETROOT, self._on_setroot)
            await self.ctx.handle.on_event(kvs_event.REMOVED, self._on_removed)
            return
        blob = json.dumps(treeobj.directory())
        self._empty = (await self.ctx.handle.rpc_message("content.store", blob)).text()
        self.cache.add_directory(self._empty, {}, len(blob))
        rootref, rootseq = await restore(self.ctx, self.loader) or (self._empty, 0)
        primary: Namespace[list[Request]] = Namespace(PRIMARY, self.ctx.owner, rootref, rootseq)
        self.namespaces[PRIMARY] = primary
        self.leader.checkpointer = Checkpointer(self.ctx, primary, self.leader.settler.settle)

    async def stop(self) -> None:
        """Answer who waits and make the primary namespace durable; raises OSError as
        `Checkpointer.close` does.
        """
        unloaded = OSError(errno.ENOSYS, "the kvs module is being unloaded")
        for name in self.namespaces:
            for caller in self._fences.drop_namespace(name):
                caller.fail(unloaded)
        if self.leader is not None:
            await self.leader.drain()
            self.leader.settler.close()
        for namespace in self.namespaces.values():
            namespace.dismiss(unloaded)
        if self.leader is not None and self.leader.checkpointer is not None:
            await self.leader.checkpointer.close()

    def _roots(self) -> list[str]:
        return [namespace.rootref for namespace in self.namespaces.values()]

    @request("collect-roots")
    def collect_roots(self, req: Request) -> dict[str, Any]:
        """Return, on rank 0, what the store must keep: directories in ``roots`` and values in
        ``values``.

        These are the roots of all namespaces, that of the primary one again in ``root`` as
        `getroot` describes it, those on their way, and what transactions that wait refer to. The
        content service has been told to write them with what they lead to.
        """
        leader = self.leader
        if leader is None:
            raise OSError(errno.EINVAL, "the roots are on rank 0")
        waiting = [op for ns in self.namespaces.values() for txn in ns.pending for op in txn.ops]
        linked = references(
            op.dirent for op in (*waiting, *self._fences.pending()) if op.dirent is not None
        )
        checkpoints = leader.checkpointer.writing if leader.checkpointer is not None else []
        also = [*leader.coming(), *checkpoints, *linked.directories]
        leader.settler.settle_all(also)
        primary = self.namespaces[PRIMARY].describe()
        return {"roots": [*self._roots(), *also], "values": linked.values, "root": primary}

    # Namespaces

    def _find(self, name: str, userid: int, rolemask: int) -> Namespace[list[Request]]:
        """Return a namespace the user may use.

        Raises `UnknownNamespace`, OSError: ENOTSUP, EPERM, EINVAL or ENAMETOOLONG if there can be
        none of that name.
        """
        namespace = self.namespaces.get(name)
        if namespace is None:
            check_namespace(name)
            if self.leader is not None:
                raise not_supported()
            raise UnknownNamespace(name)
        if not namespace.allows(userid, rolemask):
            raise os_error(errno.EPERM)
        return namespace

    def _attempt(self, work: Callable[[], T], newer: Callable[[], bool] | None = None) -> Any:
        """Return what ``work`` returns, at once if everything it needs is here, else as a coroutine
        that gets it first.

        A root that was superseded for longer than content.grace-period may be incomplete. If
        something is not to be found, ``newer`` moves ``work`` on to a newer root, or returns False;
        by default a rank looks again when it has learnt of one.
        """
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
        with self.cache.hold():
            while True:
                moves = self._moves
                if isinstance(need, Missing):
                    errors |= await self.loader.load_each(need.refs, directory=need.directory)
                    gone = [ref for ref, exc in errors.items() if exc.errno == errno.ENOENT]
                    if gone and (newer() if newer is not None else moves != self._moves):
                        errors = {ref: exc for ref, exc in errors.items() if ref not in gone}
                else:
                    await self._fetch_namespace(need.name)
                try:
                    with self.cache.failing(errors):
                        return work()
                except (Missing, UnknownNamespace) as again:
                    need = again

    async def _fetch_namespace(self, name: str) -> None:
        """Learn of a namespace from the leader; raises OSError(ENOTSUP) if it does not exist."""
        found = await self.ctx.handle.rpc(
            "kvs.getroot", {"namespace": name, "flags": 0}, nodeid=LEADER_RANK
        )
        match found:
            case {"rootref": str(rootref), "rootseq": int(rootseq), "owner": int(owner)}:
                self._follow(name, rootref, rootseq, owner)
            case _:
                raise os_error(errno.EPROTO)

    def _follow(self, name: str, rootref: str, rootseq: int, owner: int) -> None:
        namespace = self.namespaces.get(name)
        if namespace is None:
            self.namespaces[name] = Namespace(name, owner, rootref, rootseq)
        else:
            namespace.advance(rootref, rootseq)
        self._moves += 1

    def _on_setroot(self, msg: Message) -> None:
        root = kvs_event.setroot_of(msg)
        if root is None:
            self.ctx.log.err(f"malformed event {msg.topic!r} is ignored")
            return
        namespace = self.namespaces.get(root.namespace)
        if namespace is not None and root.rootseq > namespace.rootseq + 1:
            # The events of the leader leave out no version. Someone else published this, or
            # something was lost: ask.
            if root.namespace in self._missed:
                self._missed[root.namespace] = True
            else:
                self.ctx.spawn(self._catch_up(root.namespace), f"kvs root of {root.namespace}")
            return
        self._follow(root.namespace, root.rootref, root.rootseq, root.owner)

    async def _catch_up(self, name: str) -> None:
        """Ask the leader for the root of a namespace, again if an event came meanwhile."""
        self._missed[name] = True
        try:
            while self._missed[name]:
                self._missed[name] = False
                await self._fetch_namespace(name)
        except OSError as exc:
            self.ctx.log.err(f"root of {name}: {exc.strerror}")
        finally:
            del self._missed[name]

    def _on_removed(self, msg: Message) -> None:
        name = kvs_event.removed_of(msg)
        if name is None:
            self.ctx.log.err(f"malformed event {msg.topic!r} is ignored")
        else:
            self._forget(name)

    def _forget(self, name: str) -> None:
        namespace = self.namespaces.pop(name, None)
        if namespace is None:
            return
        callers = [caller for txn in namespace.remove() for caller in txn.origin]
        for caller in callers + self._fences.drop_namespace(name):
            caller.fail(not_supported())
        if self.leader is not None:
            self.leader.forget(namespace)

    @request("namespace-create")
    def namespace_create(self, req: Request) -> Any:
        """Create an empty namespace owned by ``owner``, -1 for the instance owner; EEXIST if there
        is one of that name.
        """
        name, owner = req.get("namespace", str), req.get("owner", int)
        if self.leader is None:
            return self._relay(req)
        check_namespace(name)
        if not USERID_UNKNOWN_JSON <= owner <= USERID_UNKNOWN:
            raise OSError(errno.EINVAL, "the owner of a namespace is a user id")
        if name in self.namespaces:
            raise os_error(errno.EEXIST)
        owner = self.ctx.owner if owner in (USERID_UNKNOWN_JSON, USERID_UNKNOWN) else owner
        self.namespaces[name] = Namespace(name, owner, self._empty, 0, req.get("flags", int, 0))
        return None

    @request("namespace-remove")
    def namespace_remove(self, req: Request) -> Any:
        """Remove a namespace, if it exists; ENOTSUP for the primary one."""
        name = req.get("namespace", str)
        if self.leader is None:
            return self._relay(req)
        if name == PRIMARY:
            raise OSError(errno.ENOTSUP, "the primary namespace cannot be removed")
        if name in self.namespaces:
            self._forget(name)
            self.ctx.handle.send_message(new_event(kvs_event.REMOVED + name, {"namespace": name}))
        return None

    @request("namespace-list", allow="guest")
    def namespace_list(self, req: Request) -> Any:
        """List the namespaces of the instance."""
        if self.leader is None:
            return self._relay(req)
        spaces = self.namespaces.values()
        return {
            "namespaces": [
                {"namespace": ns.name, "owner": ns.owner, "flags": ns.flags} for ns in spaces
            ]
        }

    # Reading

    @request("getroot", allow="guest")
    def getroot(self, req: Request) -> Any:
        """Return root, sequence number and owner of a namespace."""
        name = req.get("namespace", str)
        return self._attempt(lambda: self._find(name, req.userid, req.rolemask).describe())

    @request("lookup", allow="guest")
    def lookup(self, req: Request) -> Any:
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
            return self._find(namespace, userid, rolemask).rootref

        def work() -> dict[str, Any]:
            root = rootdir if rootdir is not None else treeobj.dirref(root_of(name))
            return {"val": lookup(self.cache, root, key, flags, root_of, value_limit(rolemask))}

        return self._attempt(work)

    @request("lookup-plus")
    def lookup_plus(self, req: Request) -> Any:
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
            return self._find(namespace, userid, rolemask).rootref

        def work() -> dict[str, Any]:
            ref, seq = rootref, rootseq
            if ref is None or current:
                namespace = self._find(name, userid, rolemask)
                ref, seq = namespace.rootref, namespace.rootseq
            root = treeobj.dirref(ref)
            found, missing = [], []
            for item in lookups:
                try:
                    found.append(look_item(self.cache, root, item, root_of, limit))
                except Missing as exc:
                    missing.append(exc)
            if missing:
                raise Missing.all_of(missing)
            return {"rootref": ref, "rootseq": seq, "results": found}

        def newer() -> bool:
            nonlocal current
            before, current = current, self._find(name, userid, rolemask).rootseq > rootseq
            return current and not before

        return self._attempt(work, newer)

    @request("sync", allow="guest")
    def sync(self, req: Request) -> Any:
        """Answer once the root's sequence number is at least ``rootseq``."""
        name, rootseq = req.get("namespace", str), req.get("rootseq", int)

        def work() -> Any:
            namespace = self._find(name, req.userid, req.rolemask)

            def reached(error: OSError | None) -> None:
                if error is None:
                    req.respond({"rootseq": namespace.rootseq, "rootref": namespace.rootref})
                else:
                    req.fail(error)

            namespace.wait(rootseq, reached, req.sender)
            return NO_REPLY

        return self._attempt(work)

    def on_disconnect(self, sender: str) -> None:
        """Forget what a client that went away waits for; what it committed or fenced counts."""
        for namespace in self.namespaces.values():
            namespace.forget_sender(sender)

    # Writing

    @request("commit", allow="guest")
    def commit(self, req: Request) -> Any:
        """Apply a transaction; answers with the root that contains it (flux_kvs_commit(3))."""
        name, flags, ops = req.get("namespace", str), req.get("flags", int), req.get("ops", list)
        leader = self.leader
        if leader is None:
            return self._attempt(lambda: self._pass_on(req, name))
        namespace = self._writable(leader, req, name, flags)
        leader.submit(namespace, Transaction(parse_ops(ops, leader.blob_limit), flags, [req]))
        return NO_REPLY

    @request("fence", allow="guest")
    def fence(self, req: Request) -> Any:
        """Apply the transactions of ``nprocs`` callers of the same ``name`` as one
        (flux_kvs_fence(3)).
        """
        name, flags, ops = req.get("namespace", str), req.get("flags", int), req.get("ops", list)
        fence, nprocs = req.get("name", str), req.get("nprocs", int)
        leader = self.leader
        if leader is None:
            return self._attempt(lambda: self._pass_on(req, name))
        namespace = self._writable(leader, req, name, flags)
        txn = self._fences.enter(name, fence, nprocs, flags, parse_ops(ops, leader.blob_limit), req)
        if txn is not None:
            leader.submit(namespace, txn)
        return NO_REPLY

    def _writable(
        self, leader: Leader, req: Request, name: str, flags: int
    ) -> Namespace[list[Request]]:
        namespace = self._find(name, req.userid, req.rolemask)
        if flags & ~COMMIT_FLAGS:
            raise os_error(errno.EINVAL)
        leader.check(namespace, flags)
        return namespace

    def _pass_on(self, req: Request, name: str) -> Any:
        """Have the leader commit; the caller is answered when this rank has the new root."""
        namespace = self._find(name, req.userid, req.rolemask)

        def committed(msg: Message) -> None:
            if msg.errnum:
                req.fail(error_of(msg))
                return

            def visible(error: OSError | None) -> None:
                if error is None:
                    req.respond(msg.payload)
                else:
                    req.fail(error)

            rootseq = (msg.json() or {}).get("rootseq")
            if isinstance(rootseq, int):
                namespace.wait(rootseq, visible, req.sender)
            else:
                req.error(errno.EPROTO)

        self.ctx.handle.post(req.topic, req.raw, committed, nodeid=LEADER_RANK)
        return NO_REPLY

    def _relay(self, req: Request) -> Any:
        """Have the leader answer."""

        def answered(msg: Message) -> None:
            if msg.errnum:
                req.fail(error_of(msg))
            else:
                req.respond(msg.payload)

        self.ctx.handle.post(req.topic, req.raw, answered, nodeid=LEADER_RANK)
        return NO_REPLY

    # Cache and statistics

    @request("dropcache")
    def dropcache(self, req: Request) -> None:
        """Drop every cached object of this rank."""
        self._drop()

    @event("kvs.dropcache")
    def on_dropcache(self, msg: Message) -> None:
        """Drop every cached object: ``flux kvs dropcache --all``."""
        self._drop()

    def _drop(self) -> None:
        dropped = self.cache.clear()
        self.ctx.log.alert(f"dropped {dropped} of {dropped} cache entries")

    def stats(self) -> dict[str, Any]:
        """Return object sizes, faults, and the state of each namespace."""
        noops, dirty = (self.leader.noop_stores, self.leader.dirty) if self.leader else (0, 0)
        return {
            "cache": cache_figures(self.cache, self.loader, dirty),
            "namespace": {
                ns.name: ns.figures(noops if ns.name == PRIMARY else 0)
                for ns in self.namespaces.values()
            },
        }

    def stats_clear(self) -> None:
        """Reset the counters."""
        self.loader.faults = 0
        if self.leader is not None:
            self.leader.noop_stores = 0
