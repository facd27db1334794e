"""What goes wrong when the instance is looked for that a word names."""

from __future__ import annotations


class UnresolvedURI(ValueError):
    """A word that names no instance, or none that is ready; the message says why.

    ``code`` is the exit code of a command that fails for it.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
