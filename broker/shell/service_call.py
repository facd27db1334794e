"""A request to a method of a plugin, and where its answers go (flux_shell_service_register(3))."""

from __future__ import annotations

import errno
import os
from typing import Protocol


class Answering(Protocol):
    """Where the answers to a request go."""

    def __call__(self, payload: object, errnum: int, text: str | None) -> None: ...


class ServiceCall:
    """A request to a method: from a client, or from another shell.

    ``payload`` is its JSON value, ``sender`` tells clients apart. It is to be answered once, or, if
    the asker wants a stream, as often as there is something to say and with an error at last,
    ENODATA for a good end.
    """

    def __init__(self, method: str, payload: object, sender: str, answer: Answering) -> None:
        self.method = method
        self.payload = payload
        self.sender = sender
        self._answer = answer

    def respond(self, payload: object = None) -> None:
        """Answer with a JSON value."""
        self._answer(payload, 0, None)

    def respond_error(self, errnum: int, text: str | None = None) -> None:
        """Answer with an error: its number and a sentence, by default that of the number."""
        self._answer(None, errnum or errno.EINVAL, text or os.strerror(errnum or errno.EINVAL))
