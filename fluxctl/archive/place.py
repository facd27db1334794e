"""Archives as files: written whole or not at all, compressed as their names say, ``-`` for standard
input and output.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from fluxctl.archive import format as layout
from fluxctl.standard_input import announce

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def output(name: str) -> Iterator[IO[bytes]]:
    """Return a file to write the archive ``name`` to; at the end of the block it takes that name,
    unless the block fails.

    Only its owner can read it. What is there and is not a regular file is written to as it is.
    """
    path = Path(name)
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
    else:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


@contextmanager
def source(name: str) -> Iterator[IO[bytes]]:
    """Return a file to read the archive ``name`` from."""
    if name == "-":
        announce("the archive")
        yield sys.stdin.buffer
    else:
        with open(name, "rb") as file:
            yield file


def tar_to(file: IO[bytes], name: str) -> tarfile.TarFile:
    """Return the archive ``name`` that is written to ``file``."""
    mode = cast("Any", f"w|{layout.compression(name)}")
    return tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT)
