"""What ``flux start`` does for its brokers while they live, and after them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from flux.waitstatus import exit_code_of, signal_of
from fluxctl.broker_process import fork_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def keep(become: Callable[[], int]) -> int:
    """Fork and have the child end with what ``become`` returns; return the child's exit code.

    The parent passes signals on and cleans up after the child. Raises OSError if there can be no
    more processes.
    """
    adopted = adopt()
    sys.stdout.flush()
    sys.stderr.flush()
    child = fork_broker()
    if child is None:
        code = become()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # nothing of the interpreter is needed any more
    _close_pmi()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forward_signals(child.signal)
    try:
        status = child.reap()
    finally:
        clean_up(adopted)
        child.close()
    signum = signal_of(status)
    if signum:
        sys.stderr.write(f"flux-start: broker (pid {child.pid}) {signal.strsignal(signum)}\n")
        _sweep()
    return exit_code_of(status)


def adopt() -> frozenset[int]:
    """Become the one to whom orphans come; return the children that this process had before it
    started anything.
    """
    from broker.subprocess.descendants import become_subreaper, children

    before = frozenset(children())
    become_subreaper()
    return before


def clean_up(spared: Collection[int]) -> None:
    """Kill what ended brokers left behind; ``spared`` are the children that are none of it."""
    from broker.subprocess.descendants import end_descendants

    end_descendants(spared)


def _sweep() -> None:
    from broker.rundir_claim import scratch, sweep

    sweep(scratch())


def _close_pmi() -> None:
    """The connection to the process manager of an enclosing job is the broker's."""
    fd = os.environ.get("PMI_FD", "")
    if fd.isdecimal():
        with contextlib.suppress(OSError):
            os.close(int(fd))


def forward_signals(send: Callable[[int], None]) -> None:
    """Pass SIGTERM and SIGHUP on with ``send``; a SIGINT of the terminal reaches the broker without
    us.
    """
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _: send(number))
