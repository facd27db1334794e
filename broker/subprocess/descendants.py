"""Processes that outlive their parents: whose children they become, and how everything below a
process is ended (prctl(2)).

A process whose parent ends becomes the child of the nearest ancestor that is a *subreaper*. Job
shells, brokers and ``flux start`` are ones, so that a task which forks twice and calls setsid stays
below the process that answers for it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
PATIENCE = 2.0
"""Seconds that killed processes get to disappear; one in an uninterruptible wait of the kernel may
take longer.
"""

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def become_subreaper() -> None:
    """Have orphans among this process's descendants become its children, to be reaped by it."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def signal_with_parent(number: int, parent: int) -> None:
    """Get signal ``number`` when the parent, which has to be the process ``parent``, ends; now if
    it has ended.
    """
    _prctl(_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def kill_with(parent: int) -> Callable[[], None]:
    """Return what a forked child calls before its exec to be killed when ``parent`` ends; a process
    it starts is not.
    """
    return lambda: signal_with_parent(signal.SIGKILL, parent)


def has_children() -> bool:
    """Return whether this process has children, ended ones that were not waited for included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children() -> dict[int, str]:
    """Return this process's children and their states, one letter each as in proc(5)."""
    found: dict[int, str] = {}
    for pid in child_ids():
        state = process_state(pid)
        if state is not None:
            found[pid] = state
    return found


def child_ids() -> list[int]:
    """Return the children from the kernel's own lists, which a kernel may be built without."""
    found: list[int] = []
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:  # no such list, or the thread has just ended
        me = os.getpid()
        return [pid for pid, (parent, _, _) in all_processes().items() if parent == me]
    return found


STOP_PATIENCE: Final = 0.2
"""Seconds that processes get to stop before they are killed; one may be waiting for a disk."""
STOPPED: Final = frozenset("Tt")
"""The states of a process that is stopped, or traced and stopped."""


def process_state(pid: int) -> str | None:
    """Return the state letter of a process (proc(5)), None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rsplit(b")", 1)[1].split(None, 1)[0].decode()
    except (OSError, IndexError):
        return None


def all_processes() -> dict[int, tuple[int, int, str]]:
    """Return parent, session and state of every process."""
    found: dict[int, tuple[int, int, str]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rsplit(b")", 1)[1].split()
        except (OSError, IndexError):
            continue
        found[int(entry)] = (int(fields[1]), int(fields[3]), fields[0].decode())
    return found


def reap(known: Collection[int] = ()) -> None:
    """Wait for every child that has ended but those in ``known``, without blocking."""
    for pid, state in children().items():
        if state == "Z" and pid not in known:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


class Orphans:
    """Reaps the children that a subreaper did not start itself; those that it did have somebody who
    waits for them.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def reap(self) -> None:
        """Wait for the ended children that had ended at the call before: nobody else does. To be
        called every few seconds.
        """
        ended = {pid for pid, state in children().items() if state == "Z"}
        for pid in ended & self._seen:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._seen = ended - self._seen


def end_descendants(spared: Collection[int] = (), patience: float = PATIENCE) -> bool:
    """Kill everything below this subreaper and wait for it; returns False if something is left
    after ``patience`` seconds.

    The children in ``spared`` and what is below them are left alone. Rounds are needed, because
    what is killed may have forked meanwhile and leaves its children to this process.
    """
    deadline = time.monotonic() + patience
    pause = 0.001
    while has_children():
        alive = [pid for pid in children() if pid not in spared]
        if not alive:
            return True
        for pid in below(alive):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        reap(spared)
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(0.05, pause * 2)
    return True


def below(roots: list[int]) -> list[int]:
    """Return ``roots`` and all their descendants, parents first."""
    under: dict[int, list[int]] = {}
    for pid, (parent, _, state) in all_processes().items():
        if state not in "ZX":
            under.setdefault(parent, []).append(pid)
    doomed = list(roots)
    for pid in doomed:
        doomed.extend(under.get(pid, ()))
    return doomed


def kill_descendants(pid: int, *, itself: bool = True) -> int:
    """Send SIGKILL to the process ``pid``, its session and all their descendants; returns how many
    there were.

    With ``itself`` false the process itself is spared. All are stopped before the first is killed:
    none can start another meanwhile that nobody would find.
    """
    doomed = _stopped_tree(pid, itself=itself)
    # First the one that might react to its children's ends.
    for one in sorted(doomed, key=lambda each: each != pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)
    return len(doomed)


def kill_marked(name: str, value: str, patience: float = PATIENCE) -> None:
    """Send SIGKILL to every process that was started with this variable in its environment, until
    there is none, for ``patience`` seconds at most: whoever's children they have become, sessions
    of their own or not.
    """
    deadline = time.monotonic() + patience
    none_before = False
    while True:
        alive = [pid for pid, facts in all_processes().items() if facts[2] not in "ZX"]
        marked = [pid for pid in alive if environment_of(pid).get(name) == value]
        for pid in marked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if (none_before and not marked) or time.monotonic() > deadline:
            return
        none_before = not marked  # one that was becoming a program had no environment just then
        time.sleep(0.01)


def _stopped_tree(pid: int, *, itself: bool) -> set[int]:
    """Stop the process ``pid``, its session and their descendants, until there are no new ones;
    returns them.
    """
    told: set[int] = set() if itself else {pid}
    waiting_since = time.monotonic()
    stood_still = False
    while True:
        alive = {one: facts for one, facts in all_processes().items() if facts[2] not in "ZX"}
        doomed = _tree(pid, alive)
        new = doomed - told
        for one in sorted(new, key=lambda each: each != pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGSTOP)
        told |= new
        spared = set() if itself else {pid}
        # One that has not stopped yet may be about to start another.
        moving = {one for one in doomed - spared if alive[one][2] not in STOPPED}
        if new:
            waiting_since = time.monotonic()
        elif stood_still or time.monotonic() - waiting_since > STOP_PATIENCE:
            return doomed - spared
        # The processes are listed before their states are read: one may have started another in
        # between, which only the next list has.
        stood_still = not new and not moving


def _tree(pid: int, processes: Mapping[int, tuple[int, int, str]]) -> set[int]:
    """Return those of ``processes`` that are ``pid``, of its session or below one of them."""
    doomed, found = {pid}, True
    while found:
        more = {
            one
            for one, (parent, session, _) in processes.items()
            if parent in doomed or session == pid
        } - doomed
        doomed |= more
        found = bool(more)
    return doomed & processes.keys()


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment a process was started with; empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
            raise
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry)
    return {name: value for name, _, value in pairs}
