"""How a plugin speaks (flux_shell_log(3)): log messages, exceptions, the end of the shell."""

from __future__ import annotations

import errno
import inspect
import os
from typing import TYPE_CHECKING, Final, NoReturn

from broker.shell.levels import DEBUG, ERROR, NOTICE, TRACE, WARNING, ShellFatal

if TYPE_CHECKING:
    from broker.shell.context import ShellContext

LEAST_SEVERE: Final = 7


class LoggingHandle:
    """The part of a plugin's handle that logs under the plugin's ``name``."""

    def __init__(self, shell: ShellContext, name: str) -> None:
        self._shell = shell
        self.name = name

    def log_at(self, level: int, text: object) -> None:
        """Log at one of the levels of syslog(3) that the shell has: 0 fatal, 3 error, 4 warning, 5
        notice, 6 debug, 7 trace.
        """
        frame = inspect.currentframe()
        # The caller of log_at, or of the method here that calls it.
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        file = os.path.basename(frame.f_code.co_filename) if frame is not None else ""
        line = frame.f_lineno if frame is not None else 0
        self._shell.log(level, str(text), self.name, file=file, line=line)

    def trace(self, text: object) -> None:
        """Log at level TRACE, for a verbosity of 2."""
        self.log_at(TRACE, text)

    def debug(self, text: object) -> None:
        """Log at level DEBUG, for a verbosity of 1."""
        self.log_at(DEBUG, text)

    def log(self, text: object) -> None:
        """Log at level NOTICE."""
        self.log_at(NOTICE, text)

    def warn(self, text: object) -> None:
        """Log a warning."""
        self.log_at(WARNING, text)

    def log_error(self, text: object) -> None:
        """Log an error."""
        self.log_at(ERROR, text)

    def err(self, errnum: int, text: object) -> int:
        """Log an error with the sentence of ``errnum``; returns -1, for a handler to return."""
        self.log_at(ERROR, f"{text}: {os.strerror(errnum)}")
        return -1

    def die(self, text: object, code: int = 1, errnum: int = 0) -> NoReturn:
        """End the shell, and so the job, with a fatal exception and the exit code ``code``; with
        ``errnum`` its sentence is added.

        Raises ShellFatal, which is not to be caught.
        """
        reason = f"{text}: {os.strerror(errnum)}" if errnum else str(text)
        raise ShellFatal(reason, code, self.name)

    fatal = die

    def raise_exception(self, kind: str, severity: int, note: str) -> None:
        """Raise an exception on the job (RFC 21); of severity 0 it ends the job.

        Raises OSError(EINVAL) for a severity that is not 0 to 7, or a type with blanks or without
        letters.
        """
        if not 0 <= severity <= LEAST_SEVERE or kind.split() != [kind]:
            raise OSError(errno.EINVAL, f"invalid exception {kind} of severity {severity}")
        self._shell.peers.raise_exception(kind, note, severity)

    def log_setlevel(self, level: int, destination: str | None = None) -> None:
        """Log what is at most ``level`` from now on: everywhere, or to ``stderr`` or ``eventlog``.

        Raises OSError(EINVAL) for an unknown level or destination.
        """
        self._shell.set_level(level, destination)

    def set_verbose(self, verbosity: int) -> None:
        """Log up to so many levels above NOTICE."""
        self.log_setlevel(NOTICE + verbosity)

    def set_quiet(self, levels: int) -> None:
        """Log only what is so many levels below NOTICE."""
        self.log_setlevel(NOTICE - levels)
