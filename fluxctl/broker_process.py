"""A broker as the child of ``flux start``: forked with a lifeline, ended with it, followed by a
pidfd.

The lifeline is a pipe whose write end only ``flux start`` has: its end, whatever ended it, is the
broker's signal to go. A stopped broker is continued by the kernel at that moment
(PR_SET_PDEATHSIG), or it would not notice.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass


@dataclass(slots=True)
class BrokerProcess:
    """A broker process and what its parent holds of it."""

    pid: int
    pidfd: int
    lifeline: int
    status: int | None = None

    def signal(self, number: int) -> None:
        """Send a signal if the broker runs."""
        if self.status is None:
            signal.pidfd_send_signal(self.pidfd, number)

    def cut_lifeline(self) -> None:
        """Have the broker end at once, even if it is stopped."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1
            self.signal(signal.SIGCONT)

    def reap(self) -> int:
        """Wait for the end and return the wait status."""
        _, self.status = os.waitpid(self.pid, 0)
        return self.status

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self.pidfd)
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1


def fork_broker() -> BrokerProcess | None:
    """Fork; return the broker's process in the parent, None in the child, which is to become the
    broker.

    Raises OSError: there can be no more processes or descriptors.
    """
    from broker.emergency import LIFELINE
    from broker.subprocess.descendants import signal_with_parent

    parent = os.getpid()
    read, write = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(read)
        os.close(write)
        raise
    if pid == 0:
        os.close(write)
        signal_with_parent(signal.SIGCONT, parent)
        os.set_inheritable(read, True)
        os.environ[LIFELINE] = str(read)
        return None
    os.close(read)
    return BrokerProcess(pid, os.pidfd_open(pid), write)
