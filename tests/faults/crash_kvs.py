"""kill -9 in KVS commits: is what was acknowledged still there after the restart?

Three writers, one of them plain, put keys as fast as they are answered; after a random time rank
0, ``flux start`` or everything is killed and the instance is started again on its store. A round
is one kill; every other store is collected all the time, so that many kills come in the middle of
a collection. Every put with FLUX_KVS_SYNC must be there; plain puts may be missing if they were
acknowledged shortly before the kill, and then with everything committed after them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux import Flux, treeobj
from flux.kvs_rpc import commit
from flux.kvs_txn import SYNC, Txn
from tests.faults.command import Settings, main
from tests.faults.instances import Restartable, folder, integrity
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    import pathlib
    import random

WRITERS = (SYNC, SYNC, 0)
PLAIN_WINDOW = 5.0
"""Seconds before a kill in which an acknowledged plain commit may be lost."""
ROUNDS_PER_STORE = 25
COLLECTING = (
    "-o,-Scontent.collect-growth=1",
    "-o,-Scontent.collect-minimum=4096",
    "-o,-Scontent.grace-period=0",
)
"""Every other store is collected without a pause, so that kills come in the middle of it."""
VICTIMS = ("all", "leader", "start")


@dataclass(frozen=True)
class Put:
    """An acknowledged put: its key and value, whether it was synced, its root, and when it was
    told.
    """

    key: str
    value: bytes
    sync: bool
    rootseq: int
    told: float


class Writer(threading.Thread):
    """Puts one key after the other until the connection breaks."""

    def __init__(self, uri: str, prefix: str, flags: int, chance: random.Random) -> None:
        super().__init__()
        self.uri = uri
        self.prefix = prefix
        self.flags = flags
        self.chance = chance
        self.told: list[Put] = []

    def run(self) -> None:
        try:
            with Flux(self.uri) as h:
                while True:
                    self._put(h, f"{self.prefix}.k{len(self.told)}")
        except OSError:
            return

    def _put(self, h: Flux, key: str) -> None:
        size = self.chance.choice((8, 200, 2000))
        value = (key + " " + self.chance.randbytes(8).hex()).encode().ljust(size, b".")
        answer = commit(h, Txn().put_raw(key, value), self.flags).get()
        sync = bool(self.flags & SYNC)
        self.told.append(Put(key, value, sync, int(answer["rootseq"]), time.monotonic()))


class KvsCrash:
    """One store and the kills it goes through."""

    def __init__(
        self, outcome: Outcome, chance: random.Random, base: pathlib.Path, *, collecting: bool
    ) -> None:
        self.outcome = outcome
        self.chance = chance
        size = chance.choice((1, 1, 3))
        options = COLLECTING if collecting else ()
        self.instance = Restartable(size, *options, store=base / "content.sqlite")
        self.collecting = collecting
        self.kept: list[Put] = []

    def round(self, number: int) -> None:
        """Write, kill, start again and look; the instance runs before and after."""
        writers = [
            Writer(self.instance.uri, f"r{number}.w{index}", flags, self.chance)
            for index, flags in enumerate(WRITERS)
        ]
        for writer in writers:
            writer.start()
        time.sleep(self.chance.uniform(0.05, 1.0))
        self._count_collections()
        killed = self._kill()
        for writer in writers:
            writer.join()
        self._restart()
        self._check([put for writer in writers for put in writer.told], killed)

    def _count_collections(self) -> None:
        if self.collecting:
            with Flux(self.instance.uri) as h:
                stats = h.rpc("content-sqlite.stats.get", nodeid=0).wait_for(60).get()
            self.outcome.count("collections", int(stats["collections"]))
            self.outcome.count("kills within a collection", int(stats["collecting"]))

    def _kill(self) -> float:
        victim = self.chance.choice(VICTIMS)
        instance = self.instance
        killed = time.monotonic()
        if victim == "all":
            instance.kill_all()
        else:
            process = instance.pids[0] if victim == "leader" else instance.instance.process.pid
            instance.kill([process])
            took, left = instance.await_end()
            self.outcome.peak(f"seconds to the end of all after loss of the {victim}", took)
            text = f"{left} processes left after kill -9 of the {victim} (-s{instance.size})"
            self.outcome.expect(not left, text)
        self.outcome.count("kills")
        if self.collecting:
            self.outcome.count("kills of an instance that collects its store all the time")
        return killed

    def _restart(self) -> None:
        assert self.instance.store is not None
        verdict = integrity(self.instance.store)
        self.outcome.expect(verdict == "ok", f"the store is damaged: {verdict}")
        started = time.monotonic()
        self.instance.boot()
        self.outcome.peak("seconds of the longest start", time.monotonic() - started)

    def _check(self, told: list[Put], killed: float) -> None:
        sample = self.chance.sample(self.kept, min(100, len(self.kept)))
        lost = self._missing([*told, *sample])
        self.outcome.count("acknowledged", len(told))
        self.outcome.count("acknowledged with SYNC", sum(put.sync for put in told))
        for put in lost:
            if put.sync or put in self.kept:
                self.outcome.count("lost although acknowledged as durable")
                self.outcome.fault(f"{put.key} (root {put.rootseq}) is lost after kill -9")
        plain = [put for put in lost if not put.sync and put not in self.kept]
        self.outcome.count("plain puts lost", len(plain))
        for put in plain:
            self.outcome.peak("age of the oldest plain put lost, seconds", killed - put.told)
            if killed - put.told > PLAIN_WINDOW:
                self.outcome.fault(
                    f"{put.key} was plain but {killed - put.told:.1f} s old, and is lost"
                )
        present = [put.rootseq for put in told if put not in lost]
        if lost and present and max(present) >= min(put.rootseq for put in plain or lost):
            self.outcome.fault(f"root {max(present)} is there, older ones are lost: not one state")
        self.kept += [put for put in told if put not in lost]

    def _missing(self, puts: list[Put]) -> set[Put]:
        lost: set[Put] = set()
        with Flux(self.instance.uri) as h:
            body = {"namespace": "primary", "flags": 0}
            asked = [(put, h.rpc("kvs.lookup", {**body, "key": put.key})) for put in puts]
            for put, rpc in asked:
                try:
                    value = treeobj.decode_val(rpc.wait_for(60).get()["val"])
                except FileNotFoundError:
                    lost.add(put)
                    continue
                self.outcome.expect(value == put.value, f"{put.key} has another value than was put")
        return lost


def crash_kvs(settings: Settings) -> Outcome:
    """Kill -9 in commits, ``rounds`` times."""
    outcome, chance = Outcome("crash_kvs", settings.seed), settings.random()
    left, collecting = settings.rounds, False
    outcome.set("lost although acknowledged as durable", 0)
    while left > 0:
        collecting = not collecting
        with folder() as base:
            crash = KvsCrash(outcome, chance, base, collecting=collecting)
            with crash.instance:
                crash.instance.boot()
                for number in range(min(left, ROUNDS_PER_STORE)):
                    crash.round(number)
        left -= ROUNDS_PER_STORE
    return outcome


if __name__ == "__main__":
    main(crash_kvs, __doc__, rounds=20)
