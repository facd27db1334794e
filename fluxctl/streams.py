"""Standard input, output and error of a command: closed ones replaced, failures to write told from
other errors.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING

from fluxctl.errors import ReaderGone

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ERRORS = "flux-output"
"""Name of the way to write what the locale's encoding lacks."""


class OutputError(Exception):
    """Standard output cannot be written: a full disk, a closed descriptor.

    Not an OSError, which commands report as theirs.
    """


class _Output(io.FileIO):
    """The descriptor of standard output.

    A reader that has gone is a ReaderGone, every other failure an OutputError.
    """

    def write(self, data: ReadableBuffer) -> int:
        """Write, see `io.FileIO`."""
        try:
            return super().write(data)
        except BlockingIOError:
            raise
        except BrokenPipeError as exc:
            raise ReaderGone(*exc.args) from None
        except OSError as exc:
            raise OutputError(exc.strerror or str(exc)) from None


def _substitute(error: UnicodeError) -> tuple[bytes, int]:
    """Return bytes for characters that cannot be encoded: f for the ƒ of job ids, raw bytes as they
    came, escapes for the rest.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = bytearray()
    for character in error.object[error.start : error.end]:
        if "\udc80" <= character <= "\udcff":
            found += character.encode("utf-8", "surrogateescape")
        else:
            found += b"f" if character == "ƒ" else character.encode("ascii", "backslashreplace")
    return bytes(found), error.end


def prepare() -> None:
    """Give the process its three standard streams.

    A closed descriptor would be taken by the next socket that is opened, which would then get what
    is printed. Input that is closed reads as empty, closed error output is dropped, and to write to
    closed output fails.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - stays - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115 - stays
    codecs.register_error(ERRORS, _substitute)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=ERRORS)
    if sys.stdout is sys.__stdout__:
        old = sys.stdout
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(1, "w", closefd=False)),
            encoding=old.encoding if old is not None else None,
            errors=ERRORS,
            line_buffering=os.isatty(1),
        )


def discard_output() -> None:
    """Let nothing more be written to standard output, not even what is buffered."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
