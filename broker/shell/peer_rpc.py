"""Requests from one shell of a job to a method of another (flux_shell_rpc_pack(3))."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from broker.shell.peers import ASK
from broker.shell.service_call import ServiceCall
from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.loop import Loop
    from broker.shell.peers import Peers
    from flux.wire.json import JsonObject

    WaitFor = Callable[[Callable[[], bool]], None]

ANSWER: Final = "rpc-answer"


class ShellFuture:
    """The answers to a request to another shell.

    In a stream, `get` returns the same answer until `reset` goes on to the next.
    """

    def __init__(self, loop: Loop, wait_for: WaitFor) -> None:
        self._loop = loop
        self._wait_for = wait_for
        self._answers: deque[tuple[object, int, str | None]] = deque()
        self._untold = 0
        self._callback: Callable[[ShellFuture], object] | None = None

    def is_ready(self) -> bool:
        """Return whether there is an answer."""
        return bool(self._answers)

    def get(self, timeout: float | None = None) -> object:
        """Wait for an answer and return its payload; ``timeout`` is in seconds.

        Raises OSError: what the method answers, ENOSYS if that shell has no such method, ETIMEDOUT.
        If the job is ended meanwhile, so is this shell.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        timer = None if timeout is None else self._loop.call_later(timeout, lambda: None)
        self._wait_for(
            lambda: self.is_ready() or (deadline is not None and time.monotonic() >= deadline)
        )
        if timer is not None:
            timer.cancel()
        if not self._answers:
            raise OSError(errno.ETIMEDOUT, "no answer in time")
        payload, errnum, text = self._answers[0]
        if errnum:
            raise OSError(errnum, text or os.strerror(errnum))
        return payload

    def then(self, callback: Callable[[ShellFuture], object]) -> None:
        """Have ``callback(future)`` called for each answer."""
        self._callback = callback
        self._deliver()

    def reset(self) -> None:
        """Go on to the next answer of a stream."""
        if self._answers:
            self._answers.popleft()

    def fulfill(self, payload: object, errnum: int, text: str | None) -> None:
        """Take an answer."""
        self._answers.append((payload, errnum, text))
        self._untold += 1
        self._deliver()

    def _deliver(self) -> None:
        while self._callback is not None and self._untold:
            while len(self._answers) > self._untold:
                self._answers.popleft()
            self._untold -= 1
            self._callback(self)


class PeerRpc:
    """Requests from the shell ``rank`` to others and itself, carried by relayed messages;
    ``wait_for`` runs the shell's loop until something holds.
    """

    def __init__(self, rank: int, peers: Peers, loop: Loop, wait_for: WaitFor) -> None:
        self._rank = rank
        self._peers = peers
        self._loop = loop
        self._wait_for = wait_for
        self._waiting: dict[int, tuple[ShellFuture, bool]] = {}
        self._last = 0
        self._peers.relays[ANSWER] = self._answered

    def ask(self, method: str, rank: int, payload: object, flags: int = 0) -> ShellFuture:
        """Send a request to a method of the shell ``rank``; raises OSError(EINVAL) if there is no
        such rank.
        """
        if not 0 <= rank < self._peers.size:
            raise OSError(errno.EINVAL, f"no shell rank {rank}")
        self._last += 1
        future = ShellFuture(self._loop, self._wait_for)
        if not flags & FLUX_RPC_NORESPONSE:
            self._waiting[self._last] = (future, bool(flags & FLUX_RPC_STREAMING))
        data: JsonObject = {
            "id": self._last,
            "from": self._rank,
            "method": method,
            "payload": payload,
        }
        if rank == self._rank:
            self._loop.call_later(0, lambda: self.asked(data))
        else:
            self._peers.relay(rank, ASK, data)
        return future

    def asked(self, data: JsonObject) -> None:
        """Hand a request to its method."""
        method, tag, asker = str(data["method"]), data["id"], int(data["from"])

        def answer(payload: object, errnum: int, text: str | None) -> None:
            said: JsonObject = {"id": tag, "payload": payload, "errnum": errnum, "text": text}
            if asker == self._rank:
                self._loop.call_later(0, lambda: self._answered(said))
            else:
                self._peers.relay(asker, ANSWER, said)

        call = ServiceCall(method, data["payload"], f"shell-{asker}", answer)
        handler = self._peers.shell_methods.get(method)
        if handler is None:
            call.respond_error(errno.ENOSYS, "Unknown service method")
        else:
            handler(call)

    def _answered(self, data: JsonObject) -> None:
        found = self._waiting.get(int(data["id"]))
        if found is None:
            return
        future, streaming = found
        errnum = int(data["errnum"])
        if errnum or not streaming:
            del self._waiting[int(data["id"])]
        future.fulfill(data["payload"], errnum, data["text"])
