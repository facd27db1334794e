"""The kvs module: namespaces of keys and values over the content service (flux-kvs(1), RFC 11).

Rank 0 is the leader: it alone applies transactions. The other ranks pass commits on to it, follow
the ``kvs.setroot-<namespace>`` events, and read the tree through their own content cache. A commit
made through any rank is visible on that rank when it is answered.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Answer, NoReply, Request, Service, event, request
from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.checkpoint import Checkpointer, restore
from broker.services.kvs.commit import Transaction
from broker.services.kvs.leader import Leader
from broker.services.kvs.namespace import Fences, Namespace, not_supported
from broker.services.kvs.objects import ObjectLoader, cache_figures
from broker.services.kvs.ops import parse_ops
from broker.services.kvs.reading import Reading
from broker.services.kvs.spaces import LEADER_RANK, Space, Spaces
from flux import kvs_event, treeobj
from flux.dirblob import references
from flux.kvs_flags import NO_MERGE, PRIMARY, SYNC, TXN_COMPACT
from flux.kvs_limits import check_namespace
from flux.wire import json
from flux.wire.errors import error_of, os_error
from flux.wire.message import USERID_UNKNOWN, USERID_UNKNOWN_JSON, Message
from flux.wire.message import event as new_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.configuration import Config
    from broker.context import Context

COMMIT_FLAGS = NO_MERGE | TXN_COMPACT | SYNC
#: Heartbeats in a generation of the cache; objects unused for one to two generations go.
PULSES_PER_GENERATION = 5


class KvsService(Service):
    """The kvs module of one rank."""

    name = "kvs"
    part_types = (Reading,)
    stop_timeout = 300.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._pulses = 0
        self.cache = ObjectCache()
        self.loader = ObjectLoader(ctx.handle, self.cache)
        self.spaces = Spaces(ctx, self.cache, self.loader)
        self._fences: Fences[Request] = Fences()
        self._algorithm = ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH
        self.leader = (
            Leader(ctx, self.cache, self.loader, self._algorithm, self.spaces.roots)
            if ctx.rank == LEADER_RANK
            else None
        )
        self._empty = ""
        self._reading = Reading(self.spaces, self.cache, ctx.log)

    def parts(self) -> Sequence[object]:
        """Return the part that answers look-ups."""
        return (self._reading,)

    async def start(self, args: list[str]) -> None:
        """On rank 0, take up the primary namespace where the last checkpoint left it; elsewhere
        begin to follow.
        """
        if self.leader is None:
            await self.spaces.start_following()
            return
        blob = json.dumps(treeobj.directory())
        self._empty = (await self.ctx.handle.rpc_message("content.store", blob)).text()
        self.cache.add_directory(self._empty, {}, len(blob))
        rootref, rootseq = await restore(self.ctx, self.loader) or (self._empty, 0)
        primary: Space = Namespace(PRIMARY, self.ctx.owner, rootref, rootseq)
        self.spaces.table[PRIMARY] = primary
        self.leader.checkpointer = Checkpointer(self.ctx, primary, self.leader.settler.settle)

    def configure(self, config: Config) -> None:
        """Take the period of the checkpoints over."""
        if self.leader is not None and self.leader.checkpointer is not None:
            self.leader.checkpointer.configure(config)

    async def stop(self) -> None:
        """Answer who waits and make the primary namespace durable; raises OSError as
        `Checkpointer.close` does.
        """
        unloaded = OSError(errno.ENOSYS, "the kvs module is being unloaded")
        for name in self.spaces.table:
            for caller in self._fences.drop_namespace(name):
                caller.fail(unloaded)
        if self.leader is not None:
            await self.leader.drain()
            self.leader.settler.close()
        for namespace in self.spaces.table.values():
            namespace.dismiss(unloaded)
        if self.leader is not None and self.leader.checkpointer is not None:
            await self.leader.checkpointer.close()

    @request("collect-roots")
    def collect_roots(self, req: Request) -> dict[str, object]:
        """Return, on rank 0, what the store must keep: directories in ``roots`` and values in
        ``values``.

        These are the roots of all namespaces, that of the primary one again in ``root`` as
        `getroot` describes it, those on their way, and what transactions that wait refer to. The
        content service has been told to write them with what they lead to.
        """
        leader = self.leader
        if leader is None:
            raise OSError(errno.EINVAL, "the roots are on rank 0")
        waiting = [op for ns in self.spaces.table.values() for txn in ns.pending for op in txn.ops]
        linked = references(
            op.dirent for op in (*waiting, *self._fences.pending()) if op.dirent is not None
        )
        checkpoints = leader.checkpointer.writing if leader.checkpointer is not None else []
        also = [*leader.coming(), *checkpoints, *linked.directories]
        leader.settler.settle_all(also)
        primary = self.spaces.table[PRIMARY].describe()
        return {"roots": [*self.spaces.roots(), *also], "values": linked.values, "root": primary}

    # Namespaces

    def _forget(self, leader: Leader, name: str) -> None:
        space = self.spaces.forget(name)
        if space is not None:
            for caller in self._fences.drop_namespace(name):
                caller.fail(not_supported())
            leader.forget(space)

    @request("namespace-create")
    def namespace_create(self, req: Request) -> Answer:
        """Create a namespace owned by ``owner``, -1 for the instance owner, with the root
        ``rootref`` if that is given, else empty; EEXIST if there is one of that name.
        """
        name, owner = req.get("namespace", str), req.get("owner", int)
        root = req.get("rootref", str, None)
        if self.leader is None:
            return self._relay(req)
        check_namespace(name)
        if not USERID_UNKNOWN_JSON <= owner <= USERID_UNKNOWN:
            raise OSError(errno.EINVAL, "the owner of a namespace is a user id")
        if root is not None and not treeobj.is_blobref(root):
            raise OSError(errno.EINVAL, f"{root:.100} is no blobref")
        if name in self.spaces.table:
            raise os_error(errno.EEXIST)
        owner = self.ctx.owner if owner in (USERID_UNKNOWN_JSON, USERID_UNKNOWN) else owner
        self.spaces.table[name] = Namespace(
            name, owner, root or self._empty, 0, req.get("flags", int, 0)
        )
        return None

    @request("namespace-remove")
    def namespace_remove(self, req: Request) -> Answer:
        """Remove a namespace, if it exists; ENOTSUP for the primary one."""
        name = req.get("namespace", str)
        if self.leader is None:
            return self._relay(req)
        if name == PRIMARY:
            raise OSError(errno.ENOTSUP, "the primary namespace cannot be removed")
        if name in self.spaces.table:
            self._forget(self.leader, name)
            self.ctx.handle.send_message(new_event(kvs_event.REMOVED + name, {"namespace": name}))
        return None

    @request("namespace-list")
    def namespace_list(self, req: Request) -> Answer:
        """List the namespaces of the instance."""
        if self.leader is None:
            return self._relay(req)
        spaces = self.spaces.table.values()
        return {
            "namespaces": [
                {"namespace": ns.name, "owner": ns.owner, "flags": ns.flags} for ns in spaces
            ]
        }

    def on_disconnect(self, sender: str) -> None:
        """Forget what a client that went away waits for; what it committed or fenced counts."""
        for namespace in self.spaces.table.values():
            namespace.forget_sender(sender)

    # Writing

    @request("commit", allow="guest")
    def commit(self, req: Request) -> Answer:
        """Apply a transaction; answers with the root that contains it (flux_kvs_commit(3))."""
        name, flags, ops = req.get("namespace", str), req.get("flags", int), req.get("ops", list)
        leader = self.leader
        if leader is None:
            return self.spaces.attempt(lambda: self._pass_on(req, name))
        namespace = self._writable(leader, req, name, flags)
        lazy = req.is_owner and req.payload.get("lazy") is True
        parsed = parse_ops(ops, leader.blob_limit)
        leader.submit(namespace, Transaction(parsed, flags, [req], lazy=lazy))
        return NO_REPLY

    @request("fence", allow="guest")
    def fence(self, req: Request) -> Answer:
        """Apply the transactions of ``nprocs`` callers of the same ``name`` as one
        (flux_kvs_fence(3)).
        """
        name, flags, ops = req.get("namespace", str), req.get("flags", int), req.get("ops", list)
        fence, nprocs = req.get("name", str), req.get("nprocs", int)
        leader = self.leader
        if leader is None:
            return self.spaces.attempt(lambda: self._pass_on(req, name))
        namespace = self._writable(leader, req, name, flags)
        txn = self._fences.enter(name, fence, nprocs, flags, parse_ops(ops, leader.blob_limit), req)
        if txn is not None:
            leader.submit(namespace, txn)
        return NO_REPLY

    def _writable(self, leader: Leader, req: Request, name: str, flags: int) -> Space:
        namespace = self.spaces.find(name, req.userid, req.rolemask)
        if flags & ~COMMIT_FLAGS:
            raise os_error(errno.EINVAL)
        leader.check(namespace, flags)
        return namespace

    def _pass_on(self, req: Request, name: str) -> NoReply:
        """Have the leader commit; the caller is answered when this rank has the new root."""
        namespace = self.spaces.find(name, req.userid, req.rolemask)

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

    def _relay(self, req: Request) -> NoReply:
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

    @event("heartbeat.pulse")
    def on_heartbeat(self, msg: Message) -> None:
        """Let objects that nobody asks for any more go from the cache."""
        self._pulses += 1
        if self._pulses % PULSES_PER_GENERATION == 0:
            self.cache.age()

    @event("kvs.dropcache")
    def on_dropcache(self, msg: Message) -> None:
        """Drop every cached object: ``flux kvs dropcache --all``."""
        self._drop()

    def _drop(self) -> None:
        dropped = self.cache.clear()
        self.ctx.log.alert(f"dropped {dropped} of {dropped} cache entries")

    def stats(self) -> dict[str, object]:
        """Return object sizes, faults, and the state of each namespace."""
        noops, dirty = (self.leader.noop_stores, self.leader.dirty) if self.leader else (0, 0)
        return {
            "cache": cache_figures(self.cache, self.loader, dirty),
            "namespace": {
                ns.name: ns.figures(noops if ns.name == PRIMARY else 0)
                for ns in self.spaces.table.values()
            },
        }

    def stats_clear(self) -> None:
        """Reset the counters."""
        self.loader.faults = 0
        if self.leader is not None:
            self.leader.noop_stores = 0
