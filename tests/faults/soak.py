"""Minutes of everything at once on three brokers: does anything grow that should not?

Jobs are submitted, some are canceled, keys are put, changed and unlinked, events are published to
subscribers, clients come and go, on all ranks. Every few seconds the memory, the descriptors and
the store are measured. In the last half, after caches have filled, each broker's memory may grow
by 3 %, its descriptors not at all, and the store may be three times its live bytes. Inactive jobs
are purged by limits of the configuration, as an instance that lives for months would have them, and
48 MiB of values lie there that nobody touches, as its history.
The limits on memory count in runs of ten minutes and more.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from flux import Flux
from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit_async
from flux.kvs_rpc import commit
from flux.kvs_txn import SYNC, Txn
from tests.faults.command import Settings, main
from tests.faults.instances import MARK, Restartable, folder
from tests.faults.line import Line
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 3
PERIOD = 2.0
GROWTH = 1.03
SLACK_MIB = 1.5
"""What a broker's memory may grow by whatever its size: the allocator takes it in pieces."""
DESCRIPTORS = 4
STORE_RATIO = 3.0
LONG = 10.0
"""Minutes from which a run is long enough for its limits on memory."""
CONFIGURATION = """[job-manager]
inactive-num-limit = 500
inactive-age-limit = "2m"
"""
HISTORY = (160, 100, 3000)
"""Directories, keys in each, bytes in each value."""
JOBS_A_SECOND = 10.0
PUTS_A_SECOND = 40.0
EVENTS_A_SECOND = 40.0
CLIENTS_A_SECOND = 8.0


@dataclass
class Sample:
    """One measurement: seconds since the start, MiB and descriptors by rank, bytes of the store."""

    time: float
    memory: list[float]
    descriptors: list[int]
    store: int
    live: int


@dataclass
class Soak:
    """The instance, what is done to it, and what was measured."""

    instance: Restartable
    outcome: Outcome
    seed: int
    stop: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)

    def fill(self) -> None:
        """Put what is there before."""
        directories, keys, size = HISTORY
        with Flux(self.instance.uri) as h:
            for directory in range(directories):
                txn = Txn()
                for key in range(keys):
                    txn.put_raw(f"history.d{directory}.k{key}", os.urandom(size))
                commit(h, txn, SYNC).wait_for(60).get()

    def load(self) -> list[threading.Thread]:
        """Start the clients."""
        works: list[tuple[str, float, Callable[[Flux, random.Random, int], None]]] = [
            ("jobs", JOBS_A_SECOND, self._job),
            ("puts", PUTS_A_SECOND, self._put),
            ("events", EVENTS_A_SECOND, self._event),
            ("clients", CLIENTS_A_SECOND, self._client),
        ]
        threads = [
            threading.Thread(target=self._work, args=(name, rate, work, index), name=name)
            for index, (name, rate, work) in enumerate(works)
        ]
        threads.append(threading.Thread(target=self._subscribe, name="subscriber"))
        for thread in threads:
            thread.start()
        return threads

    def _work(
        self, name: str, rate: float, work: Callable[[Flux, random.Random, int], None], index: int
    ) -> None:
        """Do ``work`` at a rate, on a handle of a rank, until told to stop."""
        chance = random.Random(self.seed + index)
        due = time.monotonic()
        try:
            with Flux(self.instance.uri_of(index % SIZE)) as h:
                number = 0
                while not self.stop.wait(max(0.0, due - time.monotonic())):
                    due = max(due + 1 / rate, time.monotonic() - 1)
                    number += 1
                    work(h, chance, number)
                    self.outcome.count(name)
        except OSError as exc:
            self.outcome.fault(f"{name}: {exc}")

    def _job(self, h: Flux, chance: random.Random, number: int) -> None:
        command = chance.choice((["true"], ["true"], ["false"], ["echo", "x"], ["sleep", "0.2"]))
        spec = JobspecV1.from_command(command)
        spec.environment = {"PATH": os.environ["PATH"], MARK: self.instance.mark}
        spec.cwd = "/tmp"
        jobid = int(submit_async(h, spec).get_id())
        if chance.random() < 0.2:
            body = {"id": jobid, "type": "cancel", "severity": 0, "note": "soak"}
            with contextlib.suppress(FileNotFoundError, ValueError):
                h.rpc("job-manager.raise", body).wait_for(60).get()
            self.outcome.count("cancels")

    def _put(self, h: Flux, chance: random.Random, number: int) -> None:
        key = f"soak.d{chance.randrange(20)}.k{chance.randrange(50)}"
        txn = Txn()
        if chance.random() < 0.1:
            txn.unlink(key)
        else:
            txn.put_raw(key, os.urandom(chance.choice((10, 400, 3000))).hex())
        flags = SYNC if chance.random() < 0.1 else 0
        commit(h, txn, flags).wait_for(60).get()

    def _event(self, h: Flux, chance: random.Random, number: int) -> None:
        h.event_send(
            f"soak.{number % 7}", {"n": number, "data": "x" * chance.choice((1, 100, 2000))}
        )

    def _subscribe(self) -> None:
        """Receive the events, on the rank farthest from their publisher."""
        try:
            with Line(self.instance.uri_of(SIZE - 1)) as line:
                line.answer("event.subscribe", {"topic": "soak"})
                while not self.stop.is_set() and not line.closed:
                    self.outcome.count("events received", len(line.receive(0.5)))
        except OSError as exc:
            self.outcome.fault(f"subscriber: {exc}")

    def _client(self, h: Flux, chance: random.Random, number: int) -> None:
        with Flux(self.instance.uri_of(chance.randrange(SIZE))) as client:
            client.event_subscribe(f"other{number}")
            client.rpc(
                "kvs-watch.lookup", {"namespace": "primary", "key": "n", "flags": 12}, flags=2
            )
            client.rpc("broker.ping", {"seq": number}).wait_for(60).get()

    def measure(self, until: float) -> None:
        """Take samples until a time on the monotonic clock."""
        brokers = [psutil.Process(pid) for pid in self.instance.pids]
        begun = time.monotonic()
        while time.monotonic() < until and not self.outcome.faults:
            time.sleep(PERIOD)
            memory = [broker.memory_info().rss / 2**20 for broker in brokers]
            descriptors = [broker.num_fds() for broker in brokers]
            store, live = self._store()
            self.samples.append(Sample(time.monotonic() - begun, memory, descriptors, store, live))

    def _store(self) -> tuple[int, int]:
        """Return the bytes of the store's files, and those that are live, 0 if it does not say."""
        path = self.instance.store
        assert path is not None
        size = 0
        for file in path.parent.glob(path.name + "*"):
            with contextlib.suppress(FileNotFoundError):  # SQLite's journals come and go
                size += file.stat().st_size
        with Flux(self.instance.uri) as h:
            stats = h.rpc("content-sqlite.stats.get").wait_for(60).get()
        return size, int(stats.get("live_bytes", 0))

    def judge(self, minutes: float) -> None:
        """Compare the middle of the run with its end."""
        count = len(self.samples)
        middle, end = (
            self.samples[count // 2 : count // 2 + max(1, count // 10)],
            self.samples[-max(1, count // 10) :],
        )
        for rank in range(SIZE):
            before = statistics.median(sample.memory[rank] for sample in middle)
            after = statistics.median(sample.memory[rank] for sample in end)
            self.outcome.set(f"rank {rank}: MiB in the middle", before)
            self.outcome.set(f"rank {rank}: MiB at the end", after)
            grown = after > max(before * GROWTH, before + SLACK_MIB)
            if minutes >= LONG and grown:
                self.outcome.fault(f"rank {rank} grew from {before:.1f} to {after:.1f} MiB")
            opened = max(s.descriptors[rank] for s in end) - max(
                s.descriptors[rank] for s in middle
            )
            self.outcome.set(f"rank {rank}: more descriptors at the end", opened)
            self.outcome.expect(opened <= DESCRIPTORS, f"rank {rank} has {opened} more descriptors")
        last = self.samples[-1]
        self.outcome.set("MiB of the store", last.store / 2**20)
        self.outcome.set("MiB of it live", last.live / 2**20)
        if last.live and minutes >= LONG:
            ratio = last.store / last.live
            self.outcome.set("store over live", ratio)
            text = f"the store is {ratio:.1f} times its live bytes"
            self.outcome.expect(ratio <= STORE_RATIO, text)


def soak(settings: Settings) -> Outcome:
    """Run for ``minutes``; ``rounds`` is how many times."""
    outcome = Outcome("soak", settings.seed)
    for _ in range(settings.rounds):
        with folder() as base:
            configuration = base / "config"
            configuration.mkdir()
            (configuration / "flux.toml").write_text(CONFIGURATION)
            store = base / "content.sqlite"
            with Restartable(SIZE, f"-o,-Sconfig.path={configuration}", store=store) as instance:
                _soak(instance, outcome, settings)
    return outcome


def _soak(instance: Restartable, outcome: Outcome, settings: Settings) -> None:
    instance.boot()
    run = Soak(instance, outcome, settings.seed)
    run.fill()
    threads = run.load()
    try:
        run.measure(time.monotonic() + 60 * settings.minutes)
    finally:
        run.stop.set()
        for thread in threads:
            thread.join(120)
    if run.samples:
        run.judge(settings.minutes)
    begun = time.monotonic()
    code = instance.stop(90)
    outcome.set("seconds to the end", time.monotonic() - begun)
    outcome.expect(code == 0, f"the instance ends with {code}")


if __name__ == "__main__":
    main(soak, __doc__, rounds=1, minutes=1.0)
