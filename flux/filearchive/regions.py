"""The parts of a file that hold data, and the pieces that these are kept in."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 1 << 20
"""Bytes of a piece."""


def data_runs(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the parts of a file of ``size`` bytes that are no holes."""
    end = 0
    while (start := _seek(fd, end, os.SEEK_DATA)) is not None and start < size:
        end = min(_seek(fd, start, os.SEEK_HOLE) or size, size)
        yield start, end


def pieces(fd: int, size: int, chunk: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the pieces that a file is mapped in: at most ``chunk`` bytes from
    the beginning of each part that holds data, or all of the part if that is no positive number.

    Who maps a file and who lists its pieces each go by this, without telling each other.
    """
    for start, end in data_runs(fd, size):
        step = chunk if chunk > 0 else end - start
        for offset in range(start, end, step):
            yield offset, min(step, end - offset)


def _seek(fd: int, offset: int, whence: int) -> int | None:
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:  # there is no more
            return None
        raise
