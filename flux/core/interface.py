"""What futures, RPCs and watchers need of the handle they belong to.

They know this interface only, so that `flux.core.handle` can know them: anything that answers it, a
scripted broker of a test for example, can stand in for a handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flux.core.reactor import Reactor
    from flux.wire.message import Message


class Fulfillable(Protocol):
    """What waits for responses."""

    def fulfill(self, msg: Message) -> None:
        """Take a response."""

    def fulfill_error(self, errnum: int = ..., errstr: str | None = None) -> None:
        """Take an error instead of a response."""


class Awaitee(Protocol):
    """What a program waits for."""

    def is_ready(self) -> bool:
        """Whether it is there; takes what has arrived but never waits."""

    def add_listener(self, listener: Callable[[], object]) -> None:
        """Have ``listener`` called when it comes."""

    def remove_listener(self, listener: Callable[[], object]) -> None:
        """Undo one `add_listener`."""


class Sender(Protocol):
    """What sends messages."""

    def send_wire(self, msg: Message) -> None:
        """Send a message; raises OSError(ECONNRESET) when the connection is lost."""


class ReactorOwner(Protocol):
    """What has a reactor."""

    @property
    def reactor(self) -> Reactor:
        """The reactor that calls back."""


class Requester(Sender, ReactorOwner, Protocol):
    """What sends requests and waits for their responses."""

    def new_matchtag(self, rpc: Fulfillable) -> int:
        """Return a match tag whose responses go to ``rpc``."""

    def free_matchtag(self, matchtag: int) -> None:
        """Drop what still comes for a match tag."""

    def poll(self) -> None:
        """Take what has arrived, without waiting."""

    def wait_until(self, condition: Callable[[], bool], timeout: float = -1.0) -> bool:
        """Take messages until ``condition`` holds or ``timeout`` seconds pass (negative: no
        limit).
        """

    def run_apart(
        self, start: Callable[[], object], condition: Callable[[], bool], timeout: float = -1.0
    ) -> bool:
        """Call ``start``, then run a reactor that has only what was begun in there until
        ``condition`` holds or ``timeout`` seconds pass (negative: no limit).
        """

    def wait_async(self, future: Awaitee) -> Awaitable[None]:
        """Wait in an asyncio program until ``future`` is ready."""

    def get_rank(self) -> int:
        """Return the rank of the broker."""
