"""What tasks leave behind: processes that outlived the task which started them, under the shell as
their subreaper.

They end with the job, unless its option ``linger`` is set: then they go on until the instance ends.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from broker.subprocess.descendants import (
    become_subreaper,
    children,
    end_descendants,
    has_children,
    kill_descendants,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator


class Remains:
    """The processes below this shell that are not its tasks.

    ``kept`` means that they are none of the shell's business: it neither adopts nor ends them.
    """

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self._told: set[int] = set()

    def adopt(self) -> None:
        """Become the parent of the orphans to come."""
        if not self.kept:
            become_subreaper()

    def ended(self, tasks: Collection[int]) -> Iterator[tuple[int, int]]:
        """Wait, without blocking, for the children that ended or stopped: process id and wait
        status of each.

        Orphans are waited for too, but in a shell that does not adopt them only ``tasks`` are its
        to wait for.
        """
        if self.kept:
            for pid in tasks:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    yield found, status
            return
        with suppress(ChildProcessError):
            while (one := os.waitpid(-1, os.WNOHANG))[0]:
                yield one

    def signal(self, number: int, tasks: Collection[int] = ()) -> None:
        """Send a signal, and SIGCONT after it, to each that has no parent of its own and got none
        yet; ``tasks`` are running tasks.
        """
        if self.kept or not has_children():
            return
        for pid in children().keys() - self._told - set(tasks):
            self._told.add(pid)
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)

    def finish(self, ended_by: Callable[[], int]) -> Generator[Callable[[], bool], None, bool]:
        """End them all, the tasks having ended; returns False if some could not be killed in time.

        ``ended_by`` returns the signal that the job was told to end with, 0 for none: it gives
        them until SIGKILL comes.
        """
        if self.kept:
            return True
        number = ended_by()
        if number and number != signal.SIGKILL:
            self.signal(number)
            yield lambda: ended_by() == signal.SIGKILL or not has_children()
        return end_descendants()

    def kill(self, *, anyway: bool = False) -> None:
        """Kill everything below this shell without waiting, ``anyway`` also what is to be kept."""
        if anyway or not self.kept:
            kill_descendants(os.getpid(), itself=False)
