"""What the connector and a client's connection need of each other.

The service makes connections and knows them as `ClientConnection`; a connection knows the service
as `ConnectionHost`. Neither's module imports the other's for its types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from broker.context import Context
    from broker.router import Router
    from broker.services.connector_local.backlog import Backlog
    from broker.services.connector_local.limits import Share
    from flux.wire.message import Message


class ClientConnection(Protocol):
    """A client as the service sees it."""

    share: Share
    """What its user's connections hold together."""
    backlog: Backlog
    """What waits for it."""

    @property
    def is_behind(self) -> bool:
        """Whether so many answers wait for it that its requests have to wait too."""

    def take_turn(self) -> bool:
        """Take the next slice of what it has sent; returns whether there may be more."""

    def excuse(self, seconds: float) -> None:
        """Do not count seconds in which the broker neither read nor wrote."""

    def check(self, now: float) -> bool:
        """Cut it if it has stood still for too long by ``now``, seconds of the loop's clock;
        returns whether it has to be looked at again.
        """

    def close(self) -> None:
        """End it when what waits has been sent."""

    def cut(self, reason: str) -> None:
        """End it at once, with ``reason`` in the log."""


class ConnectionHost(Protocol):
    """The service as a connection sees it: who may connect, what each user holds, whose turn it is.

    A connection counts itself in ``accepted``, ``cut_count`` and ``clients``.
    """

    accepted: int
    cut_count: int
    clients: set[ClientConnection]

    @property
    def ctx(self) -> Context:
        """The service's context; its owner is the user who is no guest."""

    @property
    def router(self) -> Router:
        """Where messages go."""

    def is_owner(self, userid: int) -> bool:
        """Whether a user acts as the instance owner."""

    def verdict(self, userid: int) -> int:
        """Return 0 to accept a user, otherwise the error number to refuse with."""

    def refuse(self, userid: int, errnum: int) -> None:
        """Count and log a user who may not connect."""

    def complain(self, userid: int, line: str) -> None:
        """Log what a user's client did wrong."""

    def share(self, userid: int) -> Share:
        """Return what a user's connections hold."""

    def dropped(self, share: Share) -> None:
        """Forget a user whose last connection has ended."""

    def relieve(self, share: Share) -> None:
        """Cut connections of a user until no more waits for the user than may."""

    def encoded(self, msg: Message) -> bytes:
        """Return a message's bytes."""

    def wait_turn(self, client: ClientConnection) -> None:
        """Let a connection that has sent more than a slice go on after the others."""

    def watch(self) -> None:
        """Look after connections that stand still, from now on."""
