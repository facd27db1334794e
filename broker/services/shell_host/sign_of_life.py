"""Whether a process still answers."""

from __future__ import annotations

from typing import Final

CHECK_PERIOD: Final = 1.0
"""Seconds between two looks at a process."""
HUNG_AFTER: Final = 10.0
"""Seconds after which a process that is not stopped, but does not answer, is taken for hung; a
loaded machine needs some.
"""


class SignOfLife:
    """A question that is asked of a process, and what is seen of it until it is answered.

    Looks are counted, one each `CHECK_PERIOD`, not seconds: a broker that did not run for a while,
    since it was stopped or its machine was, did not look, and the process may have stood still as
    long. It may also go on a moment later than the broker, so it is seen stopped twice before it
    counts as stopped.
    """

    def __init__(self) -> None:
        self._looks = -1
        self._stopped = False

    @property
    def asked(self) -> bool:
        """Whether there is a question without an answer."""
        return self._looks >= 0

    def ask(self) -> None:
        """The question has been asked."""
        self._looks, self._stopped = 0, False

    def answered(self) -> None:
        """The process has said something."""
        self._looks = -1

    def look(self, *, stopped: bool) -> str:
        """Look at a process that has not answered yet; returns what is wrong with it, empty if that
        cannot be said.
        """
        self._looks += 1
        if stopped and self._stopped:
            return "is stopped"
        self._stopped = stopped
        waited = self._looks * CHECK_PERIOD
        return f"has not answered for {waited:.0f}s" if waited >= HUNG_AFTER else ""
