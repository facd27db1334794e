"""The shell's log levels (RFC 24 log events) and the error that ends a shell."""

from __future__ import annotations

FATAL, ERROR, WARNING, NOTICE, DEBUG, TRACE = 0, 3, 4, 5, 6, 7


class ShellFatal(Exception):
    """Ends the shell: logged, raised as a job exception, and the shell exits with ``code``."""

    def __init__(self, message: str, code: int = 1, component: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.component = component


class ShellEnded(Exception):
    """The job was ended while this shell waited for the others; the shell exits with ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with {code}")
        self.code = code
