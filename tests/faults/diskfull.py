"""A full disk: is what is refused said to be refused, and what is acknowledged kept?

The store lies on a file system of a few MiB in memory, which needs root. A round goes through all
cases: puts and submissions on a full disk and after space has returned, a clean end on a full
disk, a start on one, and a full run directory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

from flux import Flux, treeobj
from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit
from flux.kvs_rpc import commit
from flux.kvs_txn import SYNC, Txn
from flux.testing.instance import default_flux
from tests.faults.command import Settings, main
from tests.faults.health import job_runs
from tests.faults.instances import MARK, Restartable, folder, integrity, until
from tests.faults.line import Line
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

MIB = 6
RESERVE = 5 << 19
"""Bytes that are given back to the full disk."""
PLAIN = 200
SUBMISSIONS = 10
SOON = 60.0
"""Seconds after which a start that fails took too long, on a machine with much to do."""
PYTHON = re.compile(r"Traceback|\w*Error\b: |\[Errno")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Unavailable(RuntimeError):
    """This machine does not let us make a small file system; the text says why."""


@contextlib.contextmanager
def small_disk(mib: int = MIB) -> Iterator[pathlib.Path]:
    """Mount a file system of ``mib`` MiB; raises `Unavailable`."""
    if os.geteuid() != 0:
        raise Unavailable("a small file system needs root")
    with folder() as base:
        place = base / "disk"
        place.mkdir(mode=0o700)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "none", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Unavailable(f"mount: {done.stderr.strip()}")
        try:
            yield place
        finally:
            until(
                lambda: subprocess.run(["umount", str(place)], capture_output=True).returncode == 0
            )


def fill(place: pathlib.Path, most: int = 1 << 30) -> pathlib.Path:
    """Take all space that is left, at most ``most`` bytes; returns the file that holds it."""
    ballast = place / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (65536, 512):
            with contextlib.suppress(OSError):
                while os.fstat(descriptor).st_size < most:
                    os.write(descriptor, b"\0" * size)
    finally:
        os.close(descriptor)
    return ballast


def put(h: Flux, key: str, value: str, flags: int) -> int:
    """Put a key; returns 0 or the error number of the answer."""
    try:
        commit(h, Txn().put_raw(key, value), flags).wait_for(60).get()
    except OSError as exc:
        return exc.errno or errno.EIO
    return 0


def present(h: Flux, keys: dict[str, str]) -> int:
    """Return how many keys have the values they were given."""
    count = 0
    for key, value in keys.items():
        rpc = h.rpc("kvs.lookup", {"namespace": "primary", "key": key, "flags": 0})
        with contextlib.suppress(FileNotFoundError):
            count += treeobj.decode_val(rpc.wait_for(60).get()["val"]).decode() == value
    return count


class FullStore:
    """Puts and submissions while the disk with the store is full."""

    def __init__(self, outcome: Outcome, disk: pathlib.Path, base: pathlib.Path) -> None:
        self.outcome = outcome
        self.disk = disk
        self.base = base
        self.synced: dict[str, str] = {}
        self.refused: list[str] = []

    def run(self) -> None:
        """Fill, try, make room, try again, kill, look."""
        with Restartable(1, store=self.disk / "content.sqlite") as instance:
            instance.boot()
            fill(self.disk, RESERVE)
            with Flux(instance.uri) as h:
                self._fill(h)
                ballast = fill(self.disk)
                self._full(h, instance)
                ballast.unlink()
                self._recover(h)
            instance.kill_all()
            verdict = integrity(self.disk / "content.sqlite")
            self.outcome.expect(verdict == "ok", f"the store is damaged: {verdict}")
            instance.boot()
            with Flux(instance.uri) as h:
                kept = present(h, self.synced)
            lost = len(self.synced) - kept
            self.outcome.expect(not lost, f"{lost} synced puts are lost after a full disk")
            self.outcome.count("synced puts", len(self.synced))
            self._refused_unknown(instance)

    def _fill(self, h: Flux) -> None:
        """Sync puts until the disk is full; what is acknowledged must last."""
        number, code = 0, 0
        while not code and number < 10_000:
            key, value = f"synced.{number}", os.urandom(3000).hex()
            code = put(h, key, value, SYNC)
            if not code:
                self.synced[key] = value
            number += 1
        self.outcome.expect(code in NO_SPACE, f"a synced put on a full disk gets error {code}")

    def _full(self, h: Flux, instance: Restartable) -> None:
        codes = [put(h, f"full.{n}", os.urandom(500).hex(), SYNC) for n in range(10)]
        good = sum(code == 0 for code in codes)
        self.outcome.expect(not good, f"{good} of 10 synced puts on a full disk are acknowledged")
        strange = {code for code in codes if code and code not in NO_SPACE}
        self.outcome.expect(not strange, f"synced puts on a full disk get errors {strange}")
        plain = sum(put(h, f"plain.{n}", str(n), 0) == 0 for n in range(PLAIN))
        self.outcome.count("plain puts that go on in memory", plain)
        for number in range(SUBMISSIONS):
            self._submit(h, instance, f"full{number}")

    def _submit(self, h: Flux, instance: Restartable, name: str) -> None:
        script = f"echo {name} >>{self.base}/trace"
        spec = JobspecV1.from_command(["sh", "-c", script])
        spec.environment = {"PATH": os.environ["PATH"], MARK: instance.mark}
        spec.cwd = "/tmp"
        spec.setattr("system.job.name", name)
        try:
            submit(h, spec)
        except OSError as exc:
            self.refused.append(name)
            self.outcome.expect(exc.errno in NO_SPACE, f"a submission gets error {exc}")
        else:
            self.outcome.fault("a submission is acknowledged on a full disk")

    def _recover(self, h: Flux) -> None:
        """After room was made, synced puts must be acknowledged again soon."""
        begun = time.monotonic()
        number = 0
        while put(h, f"after.{number}", "x", SYNC):
            number += 1
            if time.monotonic() - begun > 30:
                self.outcome.fault("no synced put is acknowledged 30 s after room was made")
                return
        self.synced[f"after.{number}"] = "x"
        self.outcome.peak("seconds until a full disk is over", time.monotonic() - begun)

    def _refused_unknown(self, instance: Restartable) -> None:
        trace = self.base / "trace"
        ran = trace.read_text().split() if trace.exists() else []
        self.outcome.expect(not ran, f"refused jobs ran: {ran}")
        listed = instance.instance.run("jobs", "-a", "-n", "-o", "{name}").stdout.split()
        known = [name for name in self.refused if name in listed]
        self.outcome.expect(not known, f"refused jobs are listed: {known}")
        with Line(instance.uri) as line:
            job_runs(line, self.outcome)


def clean_end(outcome: Outcome) -> None:
    """Plain puts in memory, a full disk, a clean end: the exit code must tell that they are
    lost.
    """
    with small_disk() as disk, Restartable(1, store=disk / "content.sqlite") as instance:
        running = instance.boot()
        fill(disk)
        values = {f"plain.{n}": os.urandom(2000).hex() for n in range(PLAIN)}
        with Flux(instance.uri) as h:
            told = {key: value for key, value in values.items() if put(h, key, value, 0) == 0}
        code = running.stop(60)
        lines = [line for line in running.log.splitlines() if "space" in line or "full" in line]
        outcome.expect(
            code not in (0, -9), f"a clean end that loses {len(told)} puts ends with {code}"
        )
        outcome.expect(bool(lines), "a clean end on a full disk says nothing of it")
        outcome.expect(
            "Traceback" not in running.log, "a clean end on a full disk shows a traceback"
        )


def start(outcome: Outcome) -> None:
    """A start on a full disk, with and without a store there: a clear line and an exit code,
    soon.
    """
    with small_disk(2) as disk:
        options = [f"-o,-Scontent.backing-path={disk}/content.sqlite"]
        _start(["-s1", *options, "true"])
        fill(disk)
        _judge_start(outcome, "a start on a full disk with a store", ["-s1", *options, "true"])
    with small_disk(1) as disk:
        options = [f"-o,-Scontent.backing-path={disk}/content.sqlite"]
        fill(disk)
        for size in (1, 3, 3):  # whether others were connected already differs
            arguments = [f"-s{size}", *options, "true"]
            _judge_start(outcome, f"a start of {size} on a full disk", arguments)


def _start(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [str(default_flux()), "start", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def _judge_start(outcome: Outcome, what: str, arguments: list[str]) -> None:
    begun = time.monotonic()
    done = _start(arguments)
    took = time.monotonic() - begun
    outcome.peak(f"seconds of {what}", took)
    outcome.expect(done.returncode != 0, f"{what} ends with 0")
    shown = PYTHON.findall(done.stderr)
    outcome.expect(not shown, f"{what} shows Python: {shown}")
    said = "space" in done.stderr or "full" in done.stderr
    outcome.expect(said, f"{what} does not say why: {done.stderr[-300:]!r}")
    outcome.expect(took < SOON, f"{what} takes {took:.0f} s")


def full_rundir(outcome: Outcome) -> None:
    """The run directory is full, with the store in it: the instance goes on in memory."""
    with small_disk() as disk, Restartable(1, f"-o,-Srundir={disk}") as instance:
        instance.boot()
        fill(disk)
        values = {f"plain.{n}": os.urandom(3000).hex() for n in range(PLAIN)}
        with Flux(instance.uri) as h:
            told = {key: value for key, value in values.items() if put(h, key, value, 0) == 0}
            kept = present(h, told)
        outcome.expect(
            kept == len(told), f"{len(told) - kept} puts are lost while the rundir is full"
        )
        outcome.count("puts kept with a full rundir", kept)
        with Line(instance.uri) as line:
            job_runs(line, outcome)


def diskfull(settings: Settings) -> Outcome:
    """Go through all cases ``rounds`` times."""
    outcome = Outcome("diskfull", settings.seed)
    for _ in range(settings.rounds):
        try:
            with small_disk() as disk, folder() as base:
                FullStore(outcome, disk, base).run()
            clean_end(outcome)
            start(outcome)
            full_rundir(outcome)
        except Unavailable as exc:
            outcome.note(f"skipped: {exc}")
            break
        outcome.count("rounds")
    return outcome


if __name__ == "__main__":
    main(diskfull, __doc__, rounds=1)
