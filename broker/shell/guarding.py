"""What stands between a shell and the code of its plugins: an exception of theirs becomes a message
that says whose it is, and ends the job rather than the shell.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from broker.shell.levels import ERROR, ShellEnded, ShellFatal

if TYPE_CHECKING:
    from broker.shell.context import ShellContext

FAILED = -1
"""What a callback may return for a failure, as in C."""


def call_guarded(
    shell: ShellContext, name: str, what: str, function: object, *args: object
) -> object:
    """Return ``function(*args)``, code of the plugin ``name``; ``what`` is told with a failure.

    Raises OSError, its own or EINVAL in place of any other exception and of a returned -1, after
    logging it; what ends a shell passes.
    """
    if not callable(function):
        raise OSError(errno.EINVAL, f"{what}: not a function")
    try:
        result: object = function(*args)
    except (ShellFatal, ShellEnded):
        raise
    except OSError as error:
        shell.log(ERROR, f"{what}: {error.strerror or error}", name)
        raise OSError(error.errno or errno.EINVAL, str(error.strerror or error)) from error
    except Exception as error:
        file, line = _place(error)
        text = f"{what}: {type(error).__name__}: {error}"
        shell.log(ERROR, text, name, file=file, line=line)
        raise OSError(errno.EINVAL, text) from error
    if result == FAILED:
        raise OSError(errno.EINVAL, f"{what}: failed")
    return result


def call_or_die(
    shell: ShellContext, name: str, what: str, function: object, *args: object
) -> object:
    """The same for a call that nothing waits for: a failure ends the job with ShellFatal."""
    try:
        return call_guarded(shell, name, what, function, *args)
    except OSError as error:
        raise ShellFatal(f"{what}: {error.strerror}", component=name) from error


def _place(error: Exception) -> tuple[str, int]:
    """Return the file and line that raised ``error``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "", 0
    return os.path.basename(trace.tb_frame.f_code.co_filename), trace.tb_lineno
