"""A blocking handle whose broker is a table of functions, for tests of programs that use
`flux.Flux`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flux.core.reactor import Reactor
from flux.rpc import RPC
from flux.wire.errors import errnum_of, os_error, text_of
from flux.wire.message import NODEID_ANY, NORESPONSE, Message, Raw, response

if TYPE_CHECKING:
    from flux.core.interface import Awaitee, Fulfillable

Script = Callable[[Any], Any]


class ScriptedFlux:
    """Answers each request at once by the function that ``script`` has for its topic.

    A function gets the decoded payload and returns the payload of the response, or raises OSError
    for an error response. A topic that is not in the script is answered ENOSYS. ``sent`` lists the
    requests as (topic, payload); ``attrs`` are broker attributes.
    """

    def __init__(
        self, script: Mapping[str, Script] | None = None, attrs: Mapping[str, str] | None = None
    ) -> None:
        self.script = dict(script or {})
        self.attrs = {"rank": "0", "size": "1", **(attrs or {})}
        self.sent: list[tuple[str, Any]] = []
        self.reactor = Reactor()
        self._pending: dict[int, Fulfillable] = {}
        self._tag = 0

    def rpc(
        self, topic: str, payload: object = None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> RPC:
        """Send a request."""
        return RPC(self, topic, payload, nodeid, flags)

    def rpc_raw(
        self, topic: str, data: bytes | None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> RPC:
        """Send a request with bytes as they are."""
        return RPC(self, topic, Raw(data) if data else None, nodeid, flags)

    def attr_get(self, name: str) -> str:
        """Return a broker attribute; raises FileNotFoundError if it is not set."""
        if name not in self.attrs:
            raise os_error(errno.ENOENT)
        return self.attrs[name]

    def get_rank(self) -> int:
        """Return the rank."""
        return int(self.attrs["rank"])

    def close(self) -> None:
        """End the connection."""
        self.reactor.close()

    # What RPC and Future use of a handle

    def new_matchtag(self, rpc: Fulfillable) -> int:
        """Return a match tag whose responses go to ``rpc``."""
        self._tag += 1
        self._pending[self._tag] = rpc
        return self._tag

    def free_matchtag(self, matchtag: int) -> None:
        """Drop what still comes for a match tag."""
        self._pending.pop(matchtag, None)

    def send_wire(self, msg: Message) -> None:
        """Answer a request."""
        payload = msg.json()
        self.sent.append((msg.topic or "", payload))
        function = self.script.get(msg.topic or "")
        try:
            if function is None:
                raise os_error(errno.ENOSYS)
            answer = response(msg, function(payload))
        except OSError as exc:
            answer = response(msg, text_of(exc), errnum=errnum_of(exc))
        if not msg.flags & NORESPONSE:
            self._pending[msg.matchtag].fulfill(answer)

    def wait_until(self, condition: Callable[[], bool], timeout: float = -1.0) -> bool:
        """Return whether ``condition`` holds; every answer there will be is there."""
        return condition()

    def run_apart(
        self, start: Callable[[], object], condition: Callable[[], bool], timeout: float = -1.0
    ) -> bool:
        """Call ``start`` and run the reactor until ``condition`` holds."""
        start()
        return self.reactor.run_until(condition, timeout)

    async def wait_async(self, future: Awaitee) -> None:
        """Return when ``future`` is ready; every answer there will be is there."""
        if not future.is_ready():
            raise os_error(errno.EDEADLK)

    def poll(self) -> None:
        """Every message has been taken already."""
