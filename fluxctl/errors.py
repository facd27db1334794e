"""How a command fails: one clear sentence on stderr and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """A failure to report as ``flux-NAME: message``; an empty message only sets the exit code.

    ``bare`` prints the message without the command's name. ``hint`` is a line of its own after it:
    what may have been meant.
    """

    def __init__(
        self, message: str = "", code: int = 1, *, bare: bool = False, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.bare = bare
        self.hint = hint


class WrongUsage(Exception):
    """A usage error that shows only when a value is used; its text is the sentence."""


class ReaderGone(BrokenPipeError):
    """Whoever read standard output has gone, which ends a command without a word.

    Every other BrokenPipeError is of a peer, and is reported.
    """
