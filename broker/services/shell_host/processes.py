"""What runs processes beside the tasks of a job, as far as the shell host knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from flux.wire.message import Message

Send: TypeAlias = "Callable[[Message], None]"


class JobProcesses(Protocol):
    """Runs processes for clients, by requests of RFC 42."""

    @property
    def running(self) -> bool:
        """Whether there are any."""

    def handle(self, msg: Message, send: Send, /) -> None:
        """Answer a request."""

    def signal_all(self, number: int, /) -> None:
        """Send a signal to all of them."""

    def on_disconnect(self, sender: str, /) -> None:
        """A client is gone."""


MakeProcesses: TypeAlias = "Callable[[Context, str, Callable[[], None]], JobProcesses]"
"""Makes what runs processes: with what its topics begin with, and what is called when a process has
ended and none is left.
"""
