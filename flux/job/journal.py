"""The events of all jobs, as they happen: the journal of the job manager (RFC 21), for the instance
owner.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.job.event import EventLogEvent
from flux.job.follow_journal import JOURNAL, items_of
from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from flux.core.handle import Flux
    from flux.future import Future
    from flux.wire.json import JsonObject

CANCEL: Final = f"{JOURNAL}-cancel"


class JournalEntry(EventLogEvent):
    """An event of a job, which ``jobid`` names.

    ``seq`` is its number in the job's eventlog, -1 for what is not in it, such as annotations.
    ``jobspec`` comes with the ``submit`` event, ``R`` with ``alloc``; both are None otherwise.
    """

    def __init__(self, jobid: int, entry: JsonObject, item: JsonObject) -> None:
        seq = item.get("eventlog_seq", -1)  # later brokers have no numbers
        if not isinstance(seq, int):
            raise ValueError("an event of the journal has a number that is none")
        super().__init__(entry)
        self.jobid = JobID(jobid)
        self.seq = seq
        self.jobspec = _object(item.get("jobspec"))
        self.R = _object(item.get("R"))

    def is_empty(self) -> bool:
        """Whether this is no event, but the mark that flux-core can put after those of the past."""
        return False

    def __str__(self) -> str:
        return f"{self.jobid.f58}: {super().__str__().strip()}"


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None


class JournalConsumer:
    """Follows the events of all jobs; `start` begins it, `stop` ends it.

    It begins with the past: with ``full`` that of every job, else of active ones. Events at
    ``since``, seconds since the epoch, or before are left out. Events are taken one by one with
    `poll` or by iteration, or by a callback from the reactor. A ``with`` block starts and stops it.
    """

    def __init__(self, flux_handle: Flux, full: bool = True, since: float = 0.0) -> None:
        self.handle = flux_handle
        self.full = bool(full)
        self.since = as_seconds(since, "since")
        self._rpc: RPC | None = None
        self._backlog: deque[JournalEntry] = deque()
        self._callback: Callable[..., object] | None = None
        self._arguments: tuple[tuple[object, ...], dict[str, object]] = ((), {})

    def start(self) -> Self:
        """Ask for the journal; returns the consumer. Raises RuntimeError if that was done
        already.
        """
        if self._rpc is not None:
            raise RuntimeError("the consumer of the journal has been started already")
        self._rpc = RPC(self.handle, JOURNAL, {"full": self.full}, flags=FLUX_RPC_STREAMING)
        if self._callback is not None:
            self._rpc.then(self._arrived)
        return self

    def stop(self) -> None:
        """Ask for no more; what has come already can still be taken, then `poll` returns None."""
        if self._rpc is not None:
            payload = {"matchtag": self._rpc.matchtag}
            RPC(self.handle, CANCEL, payload, flags=FLUX_RPC_NORESPONSE)

    def __enter__(self) -> JournalConsumer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def set_callback(
        self, callback: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Have ``callback(event, *args, **kwargs)`` called for each event while the reactor of the
        handle runs, and with None after the last one.

        Raises TypeError if it cannot be called, RuntimeError once the consumer has been started.
        """
        if not callable(callback):
            raise TypeError("the callback of a journal must be callable")
        if self._rpc is not None:
            raise RuntimeError("a callback is set before the consumer is started")
        self._callback, self._arguments = callback, (args, kwargs)

    def poll(self, timeout: float | None = None) -> JournalEntry | None:
        """Return the next event, None after the last one.

        It is waited for, at most for ``timeout`` seconds: then TimeoutError is raised. RuntimeError
        if the consumer has not been started; OSError: EPERM unless the caller is the instance
        owner, EPROTO for an answer that is malformed.
        """
        if self._rpc is None:
            raise RuntimeError("the consumer of the journal has not been started")
        seconds = None if timeout is None else as_seconds(timeout, "timeout")
        while not self._backlog:
            if seconds is not None:
                self._rpc.wait_for(seconds)
            if not self._take(self._rpc):
                return None
        return self._backlog.popleft()

    def __iter__(self) -> Iterator[JournalEntry]:
        while (event := self.poll()) is not None:
            yield event

    def _take(self, rpc: RPC) -> bool:
        """Put the events of an answer aside; returns whether there may be more."""
        try:
            answer = rpc.get()
            events = [JournalEntry(*found) for found in items_of(answer)]
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return False
            raise
        except (TypeError, ValueError):
            raise OSError(errno.EPROTO, "malformed answer of the journal") from None
        rpc.reset()
        self._backlog += [event for event in events if event.timestamp > self.since]
        return True

    def _arrived(self, _future: Future) -> None:
        callback, (args, kwargs) = self._callback, self._arguments
        assert callback is not None
        assert self._rpc is not None
        more = self._take(self._rpc)
        while self._backlog:
            callback(self._backlog.popleft(), *args, **kwargs)
        if not more:
            callback(None, *args, **kwargs)


JournalEvent = JournalEntry
