"""Writes a job's guest event logs: to the namespace ``job-<id>`` while it runs, then linked into
the primary namespace; those of a job that ends at once are left to the job manager.

All of a job's writes go through one `GuestLog`, so they keep their order and what comes while a
commit is under way shares the next one. The states are those of
`broker.services.job_exec.guest_state`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from broker.services.job_exec.guest_state import TRANSITIONS, Cause, GuestState
from flux import treeobj
from flux.job.JobID import JobID
from flux.kvs_flags import PRIMARY
from flux.kvs_txn import Txn, commit_request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.shell.protocol import Exit, LogEntries
    from flux.wire.message import Message

    Stored = Callable[[], None]

MOST_GIVEN: Final = 65536
"""Characters of event logs that the job manager is given to store."""
KEYS: Final[Mapping[str, str]] = {"exec": "exec.eventlog", "output": "output", "input": "input"}


class GuestLog:
    """The guest event logs of one job.

    ``delay`` is the seconds that what is to be written may wait for more. ``opened`` is called once
    the namespace can be read, or will not be made because the job has ended. ``give`` takes the
    texts of a job that ended at once, by key, to be stored with its next event.
    """

    def __init__(
        self,
        ctx: Context,
        jobid: int,
        userid: int,
        delay: float,
        opened: Stored,
        give: Callable[[dict[str, str]], None],
    ) -> None:
        self._ctx = ctx
        self._give = give
        self._delay = delay
        self._on_opened = opened
        self._userid = userid
        self._namespace = f"job-{jobid}"
        self._guest = f"{JobID(jobid).kvs}.guest"
        self._pending: dict[str, list[str]] = {}
        # Whom to tell once what is pending is stored, and once the commit under way is done: what
        # comes meanwhile is only stored by the next one.
        self._stored: list[Stored] = []
        self._covered: list[Stored] = []
        self._rootref = ""
        self._made = False
        self._closed: Stored | None = None
        self._sent: Stored = lambda: None
        self._lazy = False
        self._timer: asyncio.TimerHandle = ctx.call_later(delay, self._step, Cause.DELAY)
        self.state = GuestState.WAITING

    def append(self, key: str, text: str, stored: Stored | None = None) -> None:
        """Append event lines to the log ``key`` (see `KEYS`); ``stored`` is called once they are in
        the KVS.
        """
        self._pending.setdefault(key, []).append(text)
        if stored is not None:
            self._stored.append(stored)
        if self.state is GuestState.IDLE:
            self._step(Cause.TEXT)

    def extend(self, entries: LogEntries | Exit) -> None:
        """Append what a shell has said."""
        for key in KEYS:
            if text := getattr(entries, key):
                self.append(key, text)

    def close(self, sent: Stored, done: Stored, *, lazy: bool = False) -> None:
        """Write the rest, link the namespace into the primary one and remove it, then call
        ``done``.

        ``sent`` is called once the last write is on its way: whatever is committed after that comes
        after it. With ``lazy`` that write may wait for other commits.
        """
        self._sent, self._closed, self._lazy = sent, done, lazy
        self._timer.cancel()
        if self.state is GuestState.WAITING:
            cause = self._give_away()
            self._on_opened()
            self._step(cause)
        elif self.state in (GuestState.IDLE, GuestState.DUE):
            self._go_on()

    def _give_away(self) -> Cause:
        """Give the texts to the job manager unless they are long; returns how the job goes on."""
        texts = {KEYS[key]: "".join(lines) for key, lines in self._pending.items()}
        if sum(map(len, texts.values())) > MOST_GIVEN:
            return Cause.END
        self._pending.clear()
        self._give({key: text for key, text in texts.items() if text})
        return Cause.GIVEN

    def stop(self) -> None:
        """Write nothing any more."""
        self._timer.cancel()

    # States

    def _step(self, cause: Cause) -> None:
        """Enter the next state and begin what it stands for."""
        if self._ctx.handle.closed:
            return
        self.state = TRANSITIONS[self.state, cause]
        if cause is Cause.GIVEN:
            self._sent()
        match self.state:
            case GuestState.OPENING:
                self._make_namespace()
            case GuestState.DUE:
                self._timer = self._ctx.call_later(self._delay, self._step, Cause.MORE)
            case GuestState.WRITING:
                self._commit(self._namespace, self._take(""), self._committed)
            case GuestState.LINKING:
                self._link()
            case GuestState.ENDED:
                self._ended()
            case GuestState.WAITING | GuestState.IDLE:
                pass

    def _go_on(self) -> None:
        """Take the next step, nothing being under way: what has come goes before the end."""
        if self._pending:
            self._step(Cause.MORE)
        elif self._closed is not None:
            self._step(Cause.END)
        else:
            self._step(Cause.ALL)

    def _make_namespace(self) -> None:
        payload = {"namespace": self._namespace, "owner": self._userid, "flags": 0}
        self._ctx.handle.post("kvs.namespace-create", payload, self._created, nodeid=0)

    def _created(self, msg: Message) -> None:
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("namespace-create", msg)
        self._made = True
        self._go_on()
        self._on_opened()

    def _committed(self, msg: Message) -> None:
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("commit", msg)
        else:
            self._rootref = msg.json()["rootref"]
        for callback in self._covered:
            callback()
        self._go_on()

    def _link(self) -> None:
        """Link the guest directory into the primary namespace, or write it there."""
        txn = self._take(f"{self._guest}.")
        if self._rootref:
            txn = Txn().put_treeobj(self._guest, treeobj.dirref(self._rootref))
        if txn:
            self._commit(PRIMARY, txn, self._linked, lazy=self._lazy)
        self._sent()
        if not txn:
            self._step(Cause.LINKED)

    def _linked(self, msg: Message) -> None:
        if self._ctx.handle.closed:
            return
        if msg.errnum:
            self._failed("link", msg)
        self._step(Cause.LINKED)

    def _ended(self) -> None:
        if self._made:
            payload = {"namespace": self._namespace}
            self._ctx.handle.post("kvs.namespace-remove", payload, lambda _: None, nodeid=0)
        if self._closed is not None:
            self._closed()

    # Commits

    def _take(self, prefix: str) -> Txn:
        txn = Txn()
        for key, texts in self._pending.items():
            txn.append(prefix + KEYS[key], "".join(texts))
        self._pending = {}
        self._covered, self._stored = self._stored, []
        return txn

    def _commit(
        self, namespace: str, txn: Txn, done: Callable[[Message], None], *, lazy: bool = False
    ) -> None:
        payload = commit_request(txn.ops, namespace=namespace, lazy=lazy)
        self._ctx.handle.post("kvs.commit", payload, done)

    def _failed(self, what: str, msg: Message) -> None:
        self._ctx.log.err(f"{self._namespace}: {what}: {msg.text() or os.strerror(msg.errnum)}")
