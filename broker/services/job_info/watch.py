"""Watches of eventlogs: of a job's own, of the guest's, and those that another rank carries out.

A guest eventlog lives in the job's own namespace while the job runs and is moved into the primary
one when it ends. A watch waits for the job's ``start`` event, follows the key there, and reads what
is left from the moved copy.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from broker.services.job_info.logs import JobLog, encode, update_in
from flux.constants import FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH, FLUX_KVS_WATCH_APPEND
from flux.job.follow import EXEC, INPUT, OUTPUT
from flux.job.JobID import kvs_key
from flux.job.updates import current_jobspec, current_resources
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json
from flux.wire.message import STREAMING, Message, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.service import Request
    from flux.wire.json import JsonMapping, JsonObject

GUEST: Final = "guest."
#: Empty rather than unknown where a job has none.
_STANDARD: Final = frozenset((EXEC, INPUT, OUTPUT))
_WATCH_FLAGS: Final = FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE | FLUX_KVS_WATCH_APPEND


class LogWatch:
    """One client's streaming request; ``forget`` is called when it ends."""

    def __init__(self, req: Request, forget: Callable[[LogWatch], None]) -> None:
        self.req = req
        self._forget = forget
        self.done = False

    def finish(self, errnum: int = errno.ENODATA, text: str | None = None) -> None:
        """End the stream."""
        if not self.done:
            self.done = True
            self.detach()
            self._forget(self)
            self.req.error(errnum, text)

    def drop(self) -> None:
        """End without a response, because the client went away."""
        if not self.done:
            self.done = True
            self.detach()

    @abstractmethod
    def detach(self) -> None:
        """Let go of what the watch listens to."""


class MainWatch(LogWatch):
    """A watch of the job's own eventlog: what is known at once, then what comes."""

    def __init__(self, req: Request, forget: Callable[[LogWatch], None], log: JobLog) -> None:
        super().__init__(req, forget)
        self._log = log

    def begin(self) -> None:
        """Send what there is and follow the rest."""
        for payload in self._log.payloads():
            self.req.respond(payload)
        if self._log.ended:
            self.finish()
        else:
            self._log.listen(self)

    def on_entry(self, payload: bytes) -> None:
        """Pass an entry on."""
        self.req.respond(payload)

    def on_start(self) -> None:
        """The start event was passed on already."""

    def on_end(self) -> None:
        """End the stream."""
        self.finish()

    def detach(self) -> None:
        """Stop listening."""
        self._log.ignore(self)


class UpdateWatch(LogWatch):
    """A watch of a job's jobspec or R as updates change it; ``value`` is the stored one."""

    def __init__(
        self,
        req: Request,
        forget: Callable[[LogWatch], None],
        log: JobLog,
        key: str,
        value: JsonObject,
    ) -> None:
        super().__init__(req, forget)
        self._log = log
        self._key = key
        self._value = value

    def begin(self) -> None:
        """Send what holds now and follow what changes."""
        self._value = current(self._key, self._value, self._log.updates())
        self.req.respond({self._key: self._value})
        if self._log.ended:
            self.finish()
        else:
            self._log.listen(self)

    def on_entry(self, payload: bytes) -> None:
        """Send what holds after an entry that changes it."""
        if b"-update" not in payload:
            return
        entry = update_in(json.loads(payload.rstrip(b"\0"))["event"].encode("utf-8", "replace"))
        if entry is None:
            return
        value = current(self._key, self._value, [entry])
        if value is not self._value:
            self._value = value
            self.req.respond({self._key: value})

    def on_start(self) -> None:
        """The start of the shells changes nothing."""

    def on_end(self) -> None:
        """End the stream."""
        self.finish()

    def detach(self) -> None:
        """Stop listening."""
        self._log.ignore(self)


def current(key: str, value: JsonObject, entries: Iterable[JsonMapping]) -> JsonObject:
    """Return the stored ``jobspec`` or ``R`` as entries of the eventlog have changed it; the object
    itself if they have not.
    """
    return (
        current_jobspec(value, entries) if key == "jobspec" else current_resources(value, entries)
    )


_ASK_THE_COPY: Final = (errno.ENOTSUP, errno.ENOENT, errno.ENOSYS)
"""What it means that the namespace is gone, or kvs-watch: the copy will have it all."""


class GuestWatch(LogWatch):
    """A watch of an eventlog below ``guest.``; ``path`` as the client names it."""

    def __init__(
        self, req: Request, forget: Callable[[LogWatch], None], log: JobLog, path: str, ctx: Context
    ) -> None:
        super().__init__(req, forget)
        self._log = log
        self._path = path
        self._handle = ctx.handle
        self._sent = 0
        self._stream: int | None = None
        self._reading = False
        self._outdated = False  # what is being read may be from before the move

    def begin(self) -> None:
        """Follow the namespace, or read the moved copy if the job has ended."""
        if self._log.ended:
            self._read_moved()
            return
        self._log.listen(self)
        if self._log.started:
            self._follow()

    def on_entry(self, payload: bytes) -> None:
        """Entries of the job's own eventlog are not for this watch."""

    def on_start(self) -> None:
        """The namespace exists now."""
        self._follow()

    def on_end(self) -> None:
        """Whatever the namespace did not deliver is in the moved copy."""
        self._unfollow()
        self._read_moved()

    def detach(self) -> None:
        """Stop listening."""
        self._log.ignore(self)
        self._unfollow()

    def _follow(self) -> None:
        payload = {
            "key": self._path.removeprefix(GUEST),
            "namespace": f"job-{self._log.id}",
            "flags": _WATCH_FLAGS,
        }
        self._stream = self._handle.start_stream(
            request("kvs-watch.lookup", payload, flags=STREAMING), self._on_value
        )

    def _unfollow(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._handle.forget(stream)
            if not self._handle.closed:
                self._handle.send("kvs-watch.cancel", {"matchtag": stream})

    def _on_value(self, msg: Message) -> None:
        if self.done:
            return
        if msg.errnum:
            self._stream = None
            if self._log.ended or msg.errnum in _ASK_THE_COPY:
                self._read_moved()
            else:
                self.finish(msg.errnum, msg.text() or None)
            return
        self._send(decode_val(msg.json()["val"]).decode("utf-8", "surrogateescape"))

    def _send(self, text: str) -> None:
        for line in text.splitlines(keepends=True):
            self._sent += 1
            self.req.respond(encode(line))
            if self._path == EXEC and '"name":"done"' in line:
                self.finish()
                return

    def _read_moved(self) -> None:
        if self._reading:
            self._outdated = True
        else:
            self._reading = True
            payload = {
                "key": kvs_key(self._log.id, self._path),
                "namespace": PRIMARY,
                "flags": 0,
            }
            self._handle.post("kvs.lookup", payload, self._on_moved)

    def _on_moved(self, msg: Message) -> None:
        """Take the answer to a look at the moved copy.

        The copy appears in the primary namespace, and the job's own namespace goes, at some time
        between the job's last task and its ``clean`` event; nobody tells which comes first. Hence
        five ways on: the copy is there and holds the rest; the job ended while we were looking, so
        look again; it has not ended, so its end will make us look; there will never be a copy,
        which is an empty log if the job could have had one; or the look failed.
        """
        self._reading = False
        if self.done:
            return
        if msg.errnum == 0:
            text = decode_val(msg.json()["val"]).decode("utf-8", "surrogateescape")
            self._send("".join(text.splitlines(keepends=True)[self._sent :]))
            self.finish()
        elif self._outdated:
            self._outdated = False
            self._read_moved()
        elif not self._log.ended:
            return
        elif msg.errnum == errno.ENOENT and (
            self._sent or not self._log.started or self._path in _STANDARD
        ):
            self.finish()
        else:
            self.finish(msg.errnum, msg.text() or None)


class RemoteWatch(LogWatch):
    """A watch that rank 0 carries out for a client of this rank."""

    def __init__(
        self, req: Request, forget: Callable[[LogWatch], None], payload: JsonObject, ctx: Context
    ) -> None:
        super().__init__(req, forget)
        self._payload = payload
        self._handle = ctx.handle
        self._stream: int | None = None

    def begin(self) -> None:
        """Ask rank 0."""
        msg = request(self.req.topic, self._payload, nodeid=0, flags=STREAMING)
        self._stream = self._handle.start_stream(msg, self._on_response)

    def _on_response(self, msg: Message) -> None:
        if msg.errnum:
            self._stream = None
            self.finish(msg.errnum, msg.text() or None)
        elif not self.done:
            self.req.respond(msg.payload)

    def detach(self) -> None:
        """Have rank 0 stop."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._handle.forget(stream)
            if not self._handle.closed:
                self._handle.send(f"{self.req.topic}-cancel", {"matchtag": stream}, nodeid=0)
