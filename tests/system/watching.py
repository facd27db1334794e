"""What the tests of lost brokers share: processes found by mark, waits with a deadline, brokers by
rank.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from flux import Flux
from flux.testing.instance import Instance, default_flux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until ``condition`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached in time"
        time.sleep(0.02)


def sleepers(mark: str) -> list[psutil.Process]:
    """Return the running processes ``sleep <mark>``."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["cmdline"] == ["sleep", mark]
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def broker_pid(instance: Instance, rank: int) -> int:
    """Return the process id of a broker."""
    with Flux(instance.uri.removesuffix("0") + str(rank)) as handle:
        return int(handle.attr_get("broker.pid") or 0)


def still_there(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
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


def background(instance: Instance, *arguments: str) -> subprocess.Popen[str]:
    """Start `flux ARGUMENTS` against the instance."""
    return subprocess.Popen(
        [default_flux(), *arguments],
        env=instance.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def freed(pids: Iterable[int], number: int) -> None:
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
    everything = tree(instance.process.pid)
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    instance.process.wait(10)
    psutil.wait_procs(everything, 10)
