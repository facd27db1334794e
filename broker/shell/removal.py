"""The end of a job's temporary directory."""

from __future__ import annotations

import os
from contextlib import suppress


def remove_tmpdir(path: str) -> None:
    """Remove the directory at ``path``, unless that is "", with what the tasks left in it."""
    if not path:
        return
    with suppress(OSError):
        os.rmdir(path)
        return
    import shutil

    shutil.rmtree(path, ignore_errors=True)
