"""Job ids as people read them: F58, the base-58 form of RFC 19."""

from __future__ import annotations

from typing import Final

from flux.job.JobID import f58_digits, f58_prefix

PREFIX: Final = "\u0192"


def f58(jobid: int, ascii_only: bool = False) -> str:
    """Return ``jobid`` in F58, with the prefix ``f`` instead of ``ƒ`` if ``ascii_only`` or the
    environment asks for it.
    """
    return ("f" if ascii_only else f58_prefix()) + f58_digits(jobid)
