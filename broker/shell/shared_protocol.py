"""The socket of a shared shell: lines of `broker.shell.protocol` with the job's id in front.

A line about `NO_JOB` says nothing but that its sender lives: a shell answers it in kind.
"""

from __future__ import annotations

import errno
from typing import Final

NO_JOB: Final = -1


def joined(jobid: int, line: bytes) -> bytes:
    """Return the line of a message about a job."""
    return b"%d %s" % (jobid, line)


def split(line: bytes) -> tuple[int, bytes]:
    """Return the job that a line is about, and the message; raises OSError(EPROTO) if it names
    none.
    """
    number, _, message = line.partition(b" ")
    try:
        return int(number), message
    except ValueError:
        raise OSError(errno.EPROTO, "malformed message: it names no job") from None
