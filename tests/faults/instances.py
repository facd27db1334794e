"""Instances that can be killed and started again on the same store, and their processes.

Every process of an instance, tasks of jobs included, carries a mark in its environment. So what a
kill leaves behind is found whatever became of its parents.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import signal
import sqlite3
import tempfile
import time
from typing import TYPE_CHECKING

import flux
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MARK = "FLUX_TESTS_FAULTS"
ENDED_WITHIN = 60.0
"""Seconds after which what a kill left behind is killed as well."""


def until(condition: Callable[[], object], seconds: float = 60.0, pause: float = 0.02) -> bool:
    """Wait until ``condition`` holds, at most ``seconds``; returns whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def _environment_of(pid: int) -> list[bytes]:
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def marked(mark: str) -> list[int]:
    """Return the processes that carry a mark; those that ended and wait to be reaped do not
    count.
    """
    wanted = f"{MARK}={mark}".encode()
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if wanted in _environment_of(pid)]


def send(signum: int, pids: Iterable[int]) -> None:
    """Signal processes; those that have ended are skipped."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """A directory with a short name, for stores and traces; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ff-", dir="/tmp") as name:
        yield pathlib.Path(name)


class Restartable:
    """An instance on a persistent store that can be killed at any time and booted again.

    ``options`` are further options of ``flux start``; with ``store`` None the instance has the
    store of its run directory, which does not outlive it.
    """

    def __init__(self, size: int = 1, *options: str, store: pathlib.Path | None = None) -> None:
        self.size = size
        self.options = list(options)
        self.store = store
        self.mark = secrets.token_hex(8)
        self.boots = 0
        self.pids: list[int] = []
        """Process ids of the brokers, by rank."""
        self._stack = contextlib.ExitStack()
        self._instance: Instance | None = None

    def __enter__(self) -> Restartable:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def instance(self) -> Instance:
        """The running instance; raises RuntimeError if there is none."""
        if self._instance is None:
            raise RuntimeError("the instance has not been booted")
        return self._instance

    @property
    def uri(self) -> str:
        """FLUX_URI of rank 0."""
        return self.instance.uri

    def uri_of(self, rank: int) -> str:
        """FLUX_URI of a rank."""
        return self.uri.removesuffix("-0") + f"-{rank}"

    def boot(self) -> Instance:
        """Start the instance; raises RuntimeError with what it wrote if it does not come up."""
        options = list(self.options)
        if self.store is not None:
            options.append(f"-o,-Scontent.backing-path={self.store}")
        context = running_instance(self.size, *options, environment={MARK: self.mark})
        instance = self._instance = self._stack.enter_context(context)
        instance.environment[MARK] = self.mark
        self.boots += 1
        with flux.Flux(instance.uri) as h:
            found = [h.rpc("attr.get", {"name": "broker.pid"}, nodeid=r) for r in range(self.size)]
            self.pids = [int(rpc.get()["value"]) for rpc in found]
        return instance

    def processes(self) -> list[int]:
        """Return the processes of this instance, of all its boots."""
        return marked(self.mark)

    def kill(self, victims: Iterable[int]) -> None:
        """Kill -9 some processes; returns at once."""
        send(signal.SIGKILL, victims)

    def kill_all(self) -> None:
        """Kill -9 everything, ``flux start`` and brokers first, and wait until all have ended."""
        self.kill([self.instance.process.pid, *self.pids])
        until(self._killed, ENDED_WITHIN)
        self._leave()

    def await_end(self, seconds: float = ENDED_WITHIN) -> tuple[float, int]:
        """Wait until every process has ended by itself.

        Returns the seconds that took and how many were left after ``seconds``; those are killed.
        """
        started = time.monotonic()
        until(lambda: not self.processes(), seconds)
        took, left = time.monotonic() - started, len(self.processes())
        until(self._killed, ENDED_WITHIN)
        self._leave()
        return took, left

    def stop(self, timeout: float = 60.0) -> int:
        """End the instance in an orderly way; returns the exit code of ``flux start``."""
        code = self.instance.stop(timeout)
        self._leave()
        return code

    def _killed(self) -> bool:
        """Kill what is there; tells whether there was nothing."""
        left = self.processes()
        self.kill(left)
        return not left

    def _leave(self) -> None:
        self._instance = None
        self._stack.close()

    def close(self) -> None:
        """Stop what runs and remove what it left."""
        if self._instance is not None:
            self._instance.stop()
        until(self._killed, ENDED_WITHIN)
        self._leave()


def integrity(store: pathlib.Path) -> str:
    """Return what SQLite says about a copy of the store, "ok" if it is whole; raises OSError."""
    with folder() as scratch:
        for path in store.parent.glob(store.name + "*"):
            (scratch / path.name).write_bytes(path.read_bytes())
        try:
            with contextlib.closing(sqlite3.connect(scratch / store.name)) as db:
                return str(db.execute("PRAGMA integrity_check").fetchone()[0])
        except sqlite3.Error as exc:
            return str(exc)
