"""Either side of ``flux seg`` is killed and started again at random: what its reader has recorded
in the end is what happened, each change of a job once and in order.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

import flux.job
from flux.core.handle import Flux
from flux.job import JobspecV1
from flux.seg import GramState, StateChange, parse_line
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, kill_instance, until

if TYPE_CHECKING:
    import pathlib

KILLS = 3
JOBS_BETWEEN = 25
END = {"true": (GramState.DONE, 0), "false": (GramState.FAILED, 1)}


class Keeper:
    """A reader that keeps what it has seen in a file, and its ``flux seg``, which goes on from
    there.

    Each is started again after it was killed; what the reader has not written down is lost.
    """

    def __init__(self, record: pathlib.Path, uri: str) -> None:
        self.record = record
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("FLUX_")}
        self._environment["FLUX_URI"] = uri
        self.start()

    def start(self) -> None:
        """Begin where the record ends, with no half line in it."""
        whole = self.record.read_bytes() if self.record.exists() else b""
        self.record.write_bytes(whole[: whole.rfind(b"\n") + 1])
        self._gone = False
        begin = ["--resume", str(self.record)] if whole else ["-t", "0"]
        self._process = subprocess.Popen(
            [default_flux(), "seg", *begin],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self) -> None:
        assert self._process.stdout is not None
        with self.record.open("ab", buffering=0) as file:
            while not self._gone and (line := self._process.stdout.readline()):
                if random.random() < 0.05:
                    time.sleep(0.005)  # lines pile up in the pipe
                if not self._gone:
                    file.write(line)

    def kill_seg(self) -> None:
        """Kill ``flux seg``; the reader has what came before."""
        self._process.kill()
        self._thread.join(PATIENCE)
        self._close()

    def kill_reader(self) -> None:
        """The reader goes, and what it has not read with it."""
        self._gone = True
        self._process.kill()
        self._thread.join(PATIENCE)
        self._close()

    def _close(self) -> None:
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def changes(self) -> list[StateChange]:
        """Return what was recorded."""
        found = [parse_line(line) for line in self.record.read_bytes().splitlines(keepends=True)]
        assert None not in found
        return [change for change in found if change is not None]


class Submitter(threading.Thread):
    """Submits jobs until told to stop, whichever broker is there."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri
        self.stop = threading.Event()
        self.count = 0
        self.start()

    def run(self) -> None:
        specs = {name: JobspecV1.from_command([name]) for name in END}
        while not self.stop.is_set():
            with contextlib.suppress(OSError), Flux(self._uri) as handle:
                while not self.stop.is_set():
                    flux.job.submit(handle, specs[random.choice(list(specs))])
                    self.count += 1
            self.stop.wait(0.05)


def history(instance: Instance) -> dict[str, list[str]]:
    """Return the names of each job's events."""
    found: dict[str, list[str]] = {}
    with Flux(instance.uri) as handle:
        handle.rpc("job-manager.drain").get()
        for job in (
            flux.job.JobList(handle, max_entries=0, user=str(os.getuid())).fetch_jobs().get_jobs()
        ):
            events = flux.job.event_watch(handle, job["id"])
            found[flux.job.JobID(job["id"]).f58] = [event.name for event in events]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_told_twice(tmp_path: pathlib.Path, seed: int) -> None:
    random.seed(seed)
    uri = f"local://{tmp_path}/socket"
    options = [
        f"-o,-Scontent.backing-path={tmp_path}/store.sqlite",
        f"-o,-Slocal-uri={uri}",
    ]
    keeper = Keeper(tmp_path / "record", uri)
    submitter = Submitter(uri)
    try:
        for number in range(3):
            with running_instance(1, *options) as instance:
                for _ in range(KILLS):
                    reached = submitter.count + random.randrange(1, JOBS_BETWEEN)
                    until(lambda: submitter.count >= reached)  # noqa: B023 - called at once
                    random.choice([keeper.kill_seg, keeper.kill_reader])()
                    reached = submitter.count + random.randrange(JOBS_BETWEEN)
                    until(lambda: submitter.count >= reached)  # noqa: B023 - called at once
                    keeper.start()
                if number < 2:
                    kill_instance(instance)
                    continue
                submitter.stop.set()
                submitter.join(PATIENCE)
                truth = history(instance)
                expected = sum(2 + ("alloc" in names) for names in truth.values())
                until(lambda: len(keeper.changes()) >= expected)  # noqa: B023 - called at once
    finally:
        submitter.stop.set()
        submitter.join(PATIENCE)
        keeper.kill_seg()
    changes = keeper.changes()
    told: dict[str, list[StateChange]] = {}
    for change in changes:
        told.setdefault(change.jobid, []).append(change)
    assert told.keys() == truth.keys()
    for jobid, names in truth.items():
        states = [change.state for change in told[jobid]]
        began = [GramState.PENDING, *([GramState.ACTIVE] if "alloc" in names else [])]
        assert states[:-1] == began, (jobid, names, told[jobid])
        assert states[-1] in (GramState.DONE, GramState.FAILED)
        times = [change.timestamp for change in told[jobid]]
        assert times == sorted(times)
