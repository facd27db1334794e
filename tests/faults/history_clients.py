"""The clients of a history: threads that put, get, fence, append and watch, and note what they
see.
"""

from __future__ import annotations

import errno
import random
import threading
import time
from typing import Any

from flux import Flux, treeobj
from flux.kvs_rpc import commit
from flux.kvs_rpc import fence as send_fence
from flux.kvs_txn import SYNC, WAITCREATE, WATCH, Txn
from flux.wire.message import STREAMING
from tests.faults.history_records import Fence, Life, Read, Snapshot, Write, unfinished
from tests.faults.line import Line
from tests.faults.linearizable import INITIAL

PATIENCE = 60.0
"""Seconds after which a request counts as never answered; brokers are paused for less."""


def read(h: Flux, key: str) -> str:
    """Return the value of a key, `INITIAL` if it does not exist; raises OSError."""
    rpc = h.rpc("kvs.lookup", {"namespace": "primary", "key": key, "flags": 0})
    try:
        return treeobj.decode_val(rpc.wait_for(PATIENCE).get()["val"]).decode()
    except FileNotFoundError:
        return INITIAL


class Client(threading.Thread):
    """A client of one rank that makes one step after the other until told to stop or cut off."""

    def __init__(self, uri: str, rank: int, who: str, life: Life, stop: threading.Event, seed: int):
        super().__init__(name=who)
        self.uri = uri
        self.rank = rank
        self.who = who
        self.life = life
        self.stop = stop
        self.chance = random.Random(seed)
        self.number = 0
        self.seen_versions: list[int] = []
        self.failures: list[str] = []
        life.versions.append(self.seen_versions)

    def run(self) -> None:
        try:
            with Flux(self.uri) as h:
                while not self.stop.is_set():
                    self._guarded(h)
        except OSError as exc:
            if exc.errno == errno.ETIMEDOUT:
                self.failures.append(f"{self.who}: a request was not answered in {PATIENCE:g} s")

    def _guarded(self, h: Flux) -> None:
        """Make a step; a request that fails because a broker is lost is part of the history."""
        try:
            self.step(h)
            if self.chance.random() < 0.3:
                self._look_at_version(h)
        except OSError as exc:
            if exc.errno != errno.EHOSTUNREACH:
                raise
            self.stop.wait(0.1)

    def _look_at_version(self, h: Flux) -> None:
        rpc = h.rpc("kvs.getroot", {"namespace": "primary", "flags": 0})
        self.seen_versions.append(int(rpc.wait_for(PATIENCE).get()["rootseq"]))

    def step(self, h: Flux) -> None:
        """Do one thing."""
        raise NotImplementedError

    def commit(self, h: Flux, log: list[Write], txn: Txn, key: str, value: str, sync: bool) -> bool:
        """Commit and record it; returns whether it was acknowledged."""
        start, rootseq, end = time.monotonic(), None, unfinished()
        try:
            rpc = commit(h, txn, SYNC if sync else 0)
            rootseq = int(rpc.wait_for(PATIENCE).get()["rootseq"])
            end = time.monotonic()
            self.seen_versions.append(rootseq)
        finally:
            log.append(Write(key, value, sync, start, end, rootseq, self.who))
        return rootseq is not None


class RegisterClient(Client):
    """Puts unique values to shared keys and, on rank 0, reads them."""

    keys = ("reg.a", "reg.b", "reg.c")

    def step(self, h: Flux) -> None:
        key = self.chance.choice(self.keys)
        if self.rank == 0 and self.chance.random() < 0.6:
            start = time.monotonic()
            value = read(h, key)
            self.life.reads.append(Read(key, value, start, time.monotonic(), self.who))
            return
        self.number += 1
        value = f"{self.who}.{self.number}"
        sync = self.chance.random() < 0.4
        self.commit(h, self.life.writes, Txn().put_raw(key, value), key, value, sync)


class CounterClient(Client):
    """The only writer of a counter: each value after the one before was acknowledged."""

    key = ""
    sync = False

    def step(self, h: Flux) -> None:
        self.number = self.number or self.life.counters.get(self.key, 0)
        self.number += 1
        value = str(self.number)
        txn = Txn().put_raw(self.key, value)
        if not self.commit(h, self.life.counted, txn, self.key, value, self.sync):
            self.stop.set()

    def _guarded(self, h: Flux) -> None:
        self.step(h)  # after a failure the order of values would not be known


class SyncCounter(CounterClient):
    """A counter whose every value is synced."""

    key, sync = "counter.sync", True


class PlainCounter(CounterClient):
    """A counter whose values are not synced."""

    key = "counter.plain"


class FenceClient(Client):
    """One of `members` that fence together, each putting a key of its own."""

    members = 3
    member = 0

    def step(self, h: Flux) -> None:
        number = self.number
        self.number += 1
        txn = Txn().put_raw(f"{self.prefix}.{number}.{self.member}", "x")
        rpc = send_fence(h, f"{self.prefix}.{number}", self.members, txn)
        rootseq = None
        try:
            while not rpc.is_ready():
                if self.stop.is_set():
                    return
                h.wait_until(rpc.is_ready, 0.2)
            rootseq = int(rpc.get()["rootseq"])
            self.seen_versions.append(rootseq)
        finally:
            self.life.fences.append(Fence(number, self.member, rootseq))
        if self.rank == 0:
            self._all_there(h, number)

    @property
    def prefix(self) -> str:
        """The directory of this life's fences."""
        return self.who.partition("/")[0] + "fence"

    def _all_there(self, h: Flux, number: int) -> None:
        for member in range(self.members):
            if read(h, f"{self.prefix}.{number}.{member}") == INITIAL:
                self.failures.append(f"fence {number}: {member}'s key is missing after its answer")


class AppendClient(Client):
    """Appends tokens to one key and reads it."""

    key = ""

    def step(self, h: Flux) -> None:
        if self.chance.random() < 0.3:
            start = time.monotonic()
            text = read(h, self.key)
            text = "" if text == INITIAL else text
            shot = Snapshot(text, start, time.monotonic(), self.who, self.rank == 0)
            self.life.snapshots.append(shot)
            return
        self.number += 1
        token = f"{self.who}:{self.number}"
        sync = self.chance.random() < 0.4
        txn = Txn().append(self.key, token + ";")
        self.commit(h, self.life.appends, txn, self.key, token, sync)


class Watcher(threading.Thread):
    """Watches a counter through one rank and notes every value it is told."""

    def __init__(self, uri: str, key: str, life: Life, stop: threading.Event) -> None:
        super().__init__(name=f"watcher of {key}")
        self.uri = uri
        self.key = key
        self.stop = stop
        self.seen: list[int] = []
        self.cut = False
        life.watched.append((key, self.seen))

    def reached(self, number: int) -> bool:
        """Tell whether the watcher has been told ``number``, or can be told no more."""
        return self.cut or bool(self.seen and self.seen[-1] >= number)

    def run(self) -> None:
        try:
            with Line(self.uri) as line:
                body = {"namespace": "primary", "key": self.key, "flags": WATCH | WAITCREATE}
                line.ask("kvs-watch.lookup", body, flags=STREAMING)
                while not self.stop.is_set() and not line.closed:
                    for msg in line.receive(0.2):
                        if msg.errnum:
                            self.cut = True
                            return
                        self.seen.append(int(self._value(msg.json())))
                self.cut = line.closed
        except OSError:
            self.cut = True

    def _value(self, answer: Any) -> str:
        return treeobj.decode_val(answer["val"]).decode()
