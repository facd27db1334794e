"""Writes a job's guest event logs: to the namespace ``job-<id>`` while it runs, then linked into the primary namespace.

All of a job's writes go through one `GuestLog`, so they keep their order and what comes while a commit is under way shares
the next one. The namespace is made a moment after the job began: a job that ends before needs none, its logs are written to
the primary namespace in one commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from broker.context import Context
from flux import treeobj
from flux.job.JobID import JobID
from flux.kvs_txn import Txn
from flux.wire.message import Message

KEYS = {"exec": "exec.eventlog", "output": "output", "input": "input"}
Stored = Callable[[], None]


class GuestLog:
    """The guest event logs of one job.

    Args:
        delay: seconds that what is to be written may wait for more.
        opened: called once the namespace can be read, or will not be made because the job has ended.
    """

    def __init__(self, ctx: Context, jobid: int, userid: int, delay: float, opened: Stored) -> None:
        self._ctx = ctx
        self._delay = delay
        self._on_opened = opened
        self._userid = userid
        self._namespace = f"job-{jobid}"
        self._guest = f"{JobID(jobid).kvs}.guest"
        self._pending: dict[str, list[str]] = {}
        self._stored: list[Stored] = []
        self._opened = False
        self._opening = False
        self._busy = False
        self._scheduled = False
        self._rootref = ""
        self._closed: Stored | None = None
        self._timer = ctx.call_later(delay, self._open)

    def stop(self) -> None:
        """Write nothing any more."""
        self._timer.cancel()

    def _open(self) -> None:
        """Create the namespace; until then nothing is written."""
        if self._ctx.handle.closed:
            return
        self._opening = True
        payload = {"namespace": self._namespace, "owner": self._userid, "flags": 0}
        self._ctx.handle.post("kvs.namespace-create", payload, self._created, nodeid=0)

    def _created(self, msg: Message) -> None:
        self._opening = False
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("namespace-create", msg)
        self._opened = True
        self._next()
        self._on_opened()

    def append(self, key: str, text: str, stored: Stored | None = None) -> None:
        """Append event lines to the log `key` (see `KEYS`); `stored` is called once they are in the KVS."""
        self._pending.setdefault(key, []).append(text)
        if stored is not None:
            self._stored.append(stored)
        if not self._scheduled and self._opened and not self._busy:
            self._scheduled = True
            self._ctx.call_later(self._delay, self._flush)

    def close(self, done: Stored) -> None:
        """Write the rest, link the namespace into the primary one and remove it, then call `done`."""
        self._closed = done
        self._timer.cancel()
        if not self._opened and not self._opening:
            self._on_opened()
        if not self._busy and not self._opening:
            self._next()

    def _flush(self) -> None:
        self._scheduled = False
        if not self._busy and not self._ctx.handle.closed:
            self._next()

    def _next(self) -> None:
        """Start the next step, nothing being under way."""
        if not self._opened:
            self._finish()
        elif self._pending:
            self._busy = True
            self._commit(self._namespace, self._take(""), self._committed)
        elif self._closed is not None:
            self._finish()

    def _take(self, prefix: str) -> Txn:
        txn = Txn()
        for key, texts in self._pending.items():
            txn.append(prefix + KEYS[key], "".join(texts))
        self._pending = {}
        return txn

    def _commit(self, namespace: str, txn: Txn, done: Callable[[Message], None]) -> None:
        payload: dict[str, Any] = {"namespace": namespace, "flags": 0, "ops": txn.ops}
        self._ctx.handle.post("kvs.commit", payload, done)

    def _committed(self, msg: Message) -> None:
        self._busy = False
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("commit", msg)
        else:
            self._rootref = msg.json()["rootref"]
        stored, self._stored = self._stored, []
        for callback in stored:
            callback()
        self._next()

    def _finish(self) -> None:
        """Link the guest directory into the primary namespace."""
        if self._closed is None:
            return
        if self._opened and self._rootref:
            txn = Txn().put_treeobj(self._guest, treeobj.dirref(self._rootref))
        else:
            txn = self._take(self._guest + ".")
        self._busy = True
        if txn:
            self._commit("primary", txn, self._linked)
        else:
            self._done()

    def _linked(self, msg: Message) -> None:
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("link", msg)
        if self._opened:
            self._ctx.handle.post(
                "kvs.namespace-remove",
                {"namespace": self._namespace},
                lambda _: None,
                nodeid=0,
            )
        self._done()

    def _done(self) -> None:
        if self._closed is not None:
            self._closed()

    def _failed(self, what: str, msg: Message) -> None:
        self._ctx.log.err(f"{self._namespace}: {what}: {msg.text() or os.strerror(msg.errnum)}")
