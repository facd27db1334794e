"""The kvs-watch module: lookups that go on as the key changes (flux_kvs_lookup(3): WATCH,
WAITCREATE).

It follows the ``kvs.setroot-<namespace>`` events. An event names the keys its commit mentioned; the
watchers of these keys get one look-up under exactly that root, all of them in one request to the
kvs module of this rank. A root that arrives while a watcher's look-up is under way waits its turn,
so each watcher sees its values in order.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Request, Service, event, request
from broker.services.kvs_watch.watch import Index, KeyWatch
from flux.kvs_event import REMOVED, SETROOT, removed_of, setroot_of
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from broker.context import Context
    from flux.wire.message import Message


class KvsWatchService(Service):
    """The kvs-watch module of one rank.

    A watcher that waits for a key to be created may come before its namespace: then it is *early*,
    and its look-ups do not name a root, so that the kvs module tells whether the namespace, once it
    is there, is one that this user may read.
    """

    name = "kvs-watch"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._namespaces: dict[str, Index] = {}
        self._requests: dict[KeyWatch, Request] = {}

    async def stop(self) -> None:
        """Tell those who wait for a value that none will come."""
        self.streams.fail(errno.ENOSYS, "kvs-watch is being unloaded")
        self._requests.clear()
        self._namespaces.clear()

    @request("lookup", allow="guest")
    def lookup(self, req: Request) -> NoReply:
        """Answer with the value of ``key`` and, with WATCH, again whenever it changes."""
        watch = KeyWatch(
            req.get("namespace", str),
            req.get("key", str),
            req.get("flags", int),
            req.userid,
            req.rolemask,
        )
        if watch.streaming and not req.streaming:
            raise os_error(errno.EPROTO)
        self._requests[watch] = req
        self.streams.add(req, watch)
        self._namespaces.setdefault(watch.namespace, Index()).add(watch)
        self._look([watch], None)
        return NO_REPLY

    @request("cancel", allow="guest")
    @request("lookup-cancel", allow="guest")
    def cancel(self, req: Request) -> NoReply:
        """End the watch of this client that ``matchtag`` names, with ENODATA."""
        watch = self.streams.cancel(req)
        if isinstance(watch, KeyWatch):
            self._drop(watch)
        return NO_REPLY

    def on_disconnect(self, sender: str) -> None:
        """Forget the watches of a client that went away."""
        for watch in [watch for watch, req in self._requests.items() if req.sender == sender]:
            self._drop(watch)

    def _drop(self, watch: KeyWatch) -> None:
        req = self._requests.pop(watch, None)
        if req is None:
            return
        self.streams.remove(req)
        index = self._namespaces[watch.namespace]
        index.remove(watch)
        if not index:
            del self._namespaces[watch.namespace]

    def _fail(self, watch: KeyWatch, errnum: int) -> None:
        req = self._requests.get(watch)
        self._drop(watch)
        if req is not None:
            req.error(errnum)

    # Roots

    @event(SETROOT)
    def on_setroot(self, msg: Message) -> None:
        """Look up what a commit changed for those who watch it."""
        index = self._namespaces.get((msg.topic or "")[len(SETROOT) :])
        if index is None:
            return
        change = setroot_of(msg)
        if change is None:
            self.ctx.log.err(f"malformed event {msg.topic!r} is ignored")
            return
        root = (change.rootref, change.rootseq)
        idle: dict[tuple[int, int, bool], list[KeyWatch]] = {}
        for watch in index.concerned(change.keys):
            if watch.busy:
                watch.roots.append(root)
            else:
                alike = (watch.userid, watch.rolemask, watch.early)
                idle.setdefault(alike, []).append(watch)
        for (_, _, early), watches in idle.items():
            self._look(watches, None if early else root)

    @event(REMOVED)
    def on_removed(self, msg: Message) -> None:
        """End the watches of a namespace that is gone, after what was committed before has been
        told.
        """
        for watch in self._namespaces.get(removed_of(msg) or "", ()):
            if watch.busy:
                watch.closing = True
            else:
                self._fail(watch, errno.ENOTSUP)

    def _look(self, watches: list[KeyWatch], root: tuple[str, int] | None) -> None:
        """Look up the keys of watches that share user and namespace, under ``root`` or the current
        one.
        """
        first = watches[0]
        body: dict[str, object] = {
            "namespace": first.namespace,
            "userid": first.userid,
            "rolemask": first.rolemask,
            "lookups": [watch.lookup() for watch in watches],
        }
        if root is not None:
            body["rootref"], body["rootseq"] = root
        for watch in watches:
            watch.busy = True
        self.ctx.handle.post("kvs.lookup-plus", body, lambda msg: self._looked(watches, msg))

    def _looked(self, watches: list[KeyWatch], msg: Message) -> None:
        if msg.errnum:
            for watch in watches:
                if msg.errnum == errno.ENOTSUP and watch.may_come_early:
                    watch.busy, watch.early = False, True
                    self._go_on(watch)
                else:
                    self._fail(watch, msg.errnum)
            return
        answer = msg.json()
        for watch, result in zip(watches, answer["results"], strict=True):
            watch.busy = watch.early = False
            req = self._requests.get(watch)
            if req is None:
                continue
            watch.skip_to(answer["rootseq"])
            verdict = watch.judge(result)
            if verdict.value is not None:
                req.respond({"val": verdict.value})
            if verdict.errnum:
                self._fail(watch, verdict.errnum)
            elif verdict.final:
                self._drop(watch)
            else:
                self._go_on(watch)

    def _go_on(self, watch: KeyWatch) -> None:
        root = watch.next_root()
        if root is not None:
            self._look([watch], None if watch.early else root)
        elif watch.closing:
            self._fail(watch, errno.ENOTSUP)

    def stats(self) -> dict[str, object]:
        """Return how many watches and watched namespaces there are."""
        return {"watchers": len(self._requests), "namespace-count": len(self._namespaces)}
