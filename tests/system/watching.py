"""What tests of running instances share: waits with a deadline, processes found by mark, clients
that end with their test, brokers by rank.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, AnyStr

import psutil

from flux import Flux
from flux.testing.instance import Instance, default_flux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PATIENCE = 60.0
"""Seconds after which what has not happened counts as never to happen: what is awaited takes a
moment on a machine of its own, and many times that on one that others work on.
"""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until ``condition`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached in time"
        time.sleep(0.02)


def until_equal(read: Callable[[], object], expected: object, seconds: float = PATIENCE) -> None:
    """Wait until what ``read`` returns is ``expected``; shows both if it never is."""
    deadline = time.monotonic() + seconds
    while (found := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found == expected


def has_ended(process: psutil.Process) -> bool:
    """Whether a process runs no more. One whose parent has gone too may wait a while until the
    system's first process takes note of its end.
    """
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextlib.contextmanager
def ending(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Let a process live as long as a block: what still runs at its end is killed and waited for,
    so that a test that fails ends at once, and is the one that fails.
    """
    with process:
        try:
            yield process
        finally:
            process.kill()


def mark(number: int) -> str:
    """Return a time to sleep, ``number`` of seconds, that no other run of the tests uses."""
    return f"{number}.{os.getpid():07}"


def sleepers(seconds: str) -> list[psutil.Process]:
    """Return the running processes ``sleep SECONDS``, as made by `mark`."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["cmdline"] == ["sleep", seconds]
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def until_sleeping(seconds: str, count: int = 1) -> list[psutil.Process]:
    """Wait until ``count`` processes ``sleep SECONDS`` run; returns them.

    Whoever started them says so before they are there: a new process is a copy of the one that
    forked it until it executes its program.
    """
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = sleepers(seconds)
        return len(found) == count

    until(there)
    return found


def until_none_sleeps(seconds: str) -> None:
    """Wait until no process ``sleep SECONDS`` runs."""
    until(lambda: not sleepers(seconds))


def command_line(process: psutil.Process) -> str:
    """Return the words of a process, empty for one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def broker_pid(instance: Instance, rank: int) -> int:
    """Return the process id of a broker."""
    with Flux(instance.uri.removesuffix("0") + str(rank)) as handle:
        return int(handle.attr_get("broker.pid") or 0)


def still_there(
    processes: Iterable[psutil.Process], seconds: float = PATIENCE
) -> list[psutil.Process]:
    """Return those of ``processes`` that have not ended after ``seconds``."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < deadline:
        left = [process for process in left if _runs(process)]
        time.sleep(0.01)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def background(
    instance: Instance, *arguments: str
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run ``flux ARGUMENTS`` against the instance until the end of the block, at most."""
    return ending(
        subprocess.Popen(
            [default_flux(), *arguments],
            env=instance.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process writes, empty at the end of its output."""
    assert process.stdout is not None
    return process.stdout.readline()


def verdict(userid: int, uri: str) -> int:
    """Return what the broker at ``uri`` greets a connection of another user with: 0 to let it in,
    or an error number.
    """
    program = (
        "import os, socket, sys; os.setuid(int(sys.argv[1]));\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2]); print(s.recv(1)[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(userid), uri.removeprefix("local://")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # A run directory that others cannot enter keeps them from the socket itself.
    return int(done.stdout) if done.returncode == 0 else errno.EACCES


def free_port() -> int:
    """Return a TCP port that nobody listens on, and that the kernel gives to nobody by itself."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process that still runs."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill_instance(instance: Instance) -> None:
    """End every process of an instance at once and wait until all have gone. Those that end by
    themselves meanwhile do not matter.
    """
    start, *below = tree(instance.process.pid)
    everything = [*below, start]  # brokers come first: they see no job end, nor flux start
    for number in (signal.SIGSTOP, signal.SIGKILL):
        send((process.pid for process in everything), number)
    instance.process.wait(PATIENCE)
    psutil.wait_procs(everything, PATIENCE)
