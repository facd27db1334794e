"""What is said where an instance refuses to tell something."""

from __future__ import annotations

import errno
from typing import Final

from tui.model import format as fmt

OWNERS_ONLY: Final = "only the owner of the instance is told this"
OTHERS_JOB: Final = "a job of somebody else: its user and the owner of the instance may see this"
NO_EVENTS: Final = "only the owner of the instance is told the events of jobs"


def refusal(error: OSError, guest: bool, sentence: str = OWNERS_ONLY) -> str:
    """Return why something could not be read: to a ``guest`` that may not, the ``sentence``."""
    if guest and error.errno == errno.EPERM:
        return sentence
    return fmt.printable(str(error.strerror or error))
