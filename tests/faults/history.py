"""Is what clients see of the KVS one history, while brokers are paused and killed?

Clients on all ranks of a tree of four brokers put, get, fence, append and watch. Brokers are
stopped for up to a second and killed; at the end of a round the leader, or everything, is killed
and the instance is started again on its store. Every operation is recorded with the time of its
invocation and of its response, and the history is checked (history_records, linearizable):

- reads through rank 0 are linearizable, key by key;
- no client sees the root's sequence number go back;
- watchers see every value of a counter once, in order, none left out while they are connected;
- a fence is there whole or not at all; appended text loses and repeats nothing;
- after a restart there is one root of the life before, with all that was synced or told as such.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from flux import Flux
from tests.faults import history_records as records
from tests.faults.command import Settings, main
from tests.faults.history_clients import (
    AppendClient,
    Client,
    FenceClient,
    PlainCounter,
    RegisterClient,
    SyncCounter,
    Watcher,
    read,
)
from tests.faults.history_records import Life
from tests.faults.instances import Restartable, folder, until
from tests.faults.linearizable import INITIAL
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    import pathlib
    import random

SIZE = 4
ROUNDS_PER_STORE = 10
COUNTERS = (SyncCounter.key, PlainCounter.key)


class Round:
    """One life of the leader: the clients, what is done to the brokers, and how it ends."""

    def __init__(self, number: int, instance: Restartable, chance: random.Random) -> None:
        self.name = f"r{number}"
        self.instance = instance
        self.chance = chance
        self.life = Life()
        self.stop = threading.Event()
        self.watch_stop = threading.Event()
        self.killed: set[int] = set()

    def begin(self) -> None:
        """Note the state and start the clients."""
        with Flux(self.instance.uri) as h:
            self.life.initial = {key: read(h, key) for key in RegisterClient.keys}
            self.life.counters = {key: _number(read(h, key)) for key in COUNTERS}
        self.watchers = [
            Watcher(self.instance.uri_of(rank), key, self.life, self.watch_stop)
            for rank in range(SIZE)
            for key in COUNTERS
        ]
        self.clients = self._clients()
        for thread in (*self.watchers, *self.clients):
            thread.start()

    def _clients(self) -> list[Client]:
        kinds: list[tuple[type[Client], int]] = [(RegisterClient, rank) for rank in (0, 0, 1, 3)]
        kinds += [
            (SyncCounter, self.chance.randrange(SIZE)),
            (PlainCounter, self.chance.randrange(SIZE)),
        ]
        kinds += [(FenceClient, rank) for rank in (0, 2, 3)]
        kinds += [(AppendClient, rank) for rank in (0, 1, 2)]
        clients: list[Client] = []
        for index, (kind, rank) in enumerate(kinds):
            stop = threading.Event() if issubclass(kind, PlainCounter | SyncCounter) else self.stop
            who = f"{self.name}/{kind.__name__}{index}"
            seed = self.chance.getrandbits(32)
            client = kind(self.instance.uri_of(rank), rank, who, self.life, stop, seed)
            if isinstance(client, FenceClient):
                client.member = sum(isinstance(other, FenceClient) for other in clients)
            if isinstance(client, AppendClient):
                client.key = self.append_key
            clients.append(client)
        return clients

    @property
    def append_key(self) -> str:
        """The key that this round's clients append to."""
        return f"log.{self.name}"

    def disturb(self) -> None:
        """Pause brokers for a while, and perhaps kill one that is not the leader."""
        for _ in range(self.chance.randrange(1, 4)):
            time.sleep(self.chance.uniform(0.1, 0.5))
            if self.chance.random() < 0.7:
                pid = self.instance.pids[self.chance.randrange(SIZE)]
                os.kill(pid, signal.SIGSTOP)
                time.sleep(self.chance.uniform(0.05, 1.0))
                os.kill(pid, signal.SIGCONT)
        if self.chance.random() < 0.4:
            rank = self.chance.randrange(1, SIZE)
            self.killed = {rank, 3} if rank == 1 else {rank}
            self.instance.kill([self.instance.pids[rank]])
            time.sleep(self.chance.uniform(0.1, 0.6))

    def settle(self) -> None:
        """Stop the clients and let the watchers see the last values."""
        self._stop_clients()
        for watcher in self.watchers:
            last = max(
                (
                    int(w.value)
                    for w in self.life.counted
                    if w.key == watcher.key and w.acknowledged
                ),
                default=0,
            )
            until(partial(watcher.reached, last))

    def _stop_clients(self) -> None:
        for client in self.clients:
            client.stop.set()
        for client in self.clients:
            client.join(60)

    def end(self) -> None:
        """Stop what still runs, after the brokers are gone."""
        self._stop_clients()
        self.watch_stop.set()
        for watcher in self.watchers:
            watcher.join(60)

    def verdict(self, complete: bool) -> list[str]:
        """Return what cannot be true in what was seen in this life."""
        life = self.life
        found = [text for client in self.clients for text in client.failures]
        found += records.registers(life) + records.versions(life)
        if complete:
            cut = {id(watcher.seen) for watcher in self.watchers if watcher.cut}
            kept = [entry for entry in life.watched if id(entry[1]) not in cut]
            found += records.watchers(Life(counted=life.counted, watched=kept), True)
        found += records.watchers(life, False)
        found += records.fences(life, FenceClient.members)
        return found


def _number(text: str) -> int:
    return 0 if text == INITIAL else int(text)


class History:
    """One store and its rounds."""

    def __init__(self, outcome: Outcome, chance: random.Random, base: pathlib.Path) -> None:
        self.outcome = outcome
        self.chance = chance
        self.instance = Restartable(
            SIZE,
            "-o,-Soverlay.timeout=10",
            "--test-exit-mode=leader",
            store=base / "content.sqlite",
        )

    def round(self, number: int) -> None:
        """Live, be killed, start again, check."""
        life = Round(number, self.instance, self.chance)
        life.begin()
        life.disturb()
        quiet = self.chance.random() < 0.4
        if quiet:
            life.settle()
            for text in self._looked_at(life, complete=True, restarted=False):
                self.outcome.fault(f"{life.name}: {text}")
        if self.chance.random() < 0.5:
            self.instance.kill_all()
        else:
            self.instance.kill([self.instance.pids[0]])
            self.instance.await_end()
        life.end()
        for text in life.verdict(complete=quiet):
            self.outcome.fault(f"{life.name}: {text}")
        self.instance.boot()
        for text in self._looked_at(life, complete=False, restarted=True):
            self.outcome.fault(f"{life.name}, restarted: {text}")
        self._count(life)

    def _count(self, life: Round) -> None:
        record = life.life
        self.outcome.count("rounds")
        self.outcome.count("brokers killed, not counting the leader", len(life.killed))
        self.outcome.count("writes", len(record.writes) + len(record.appends) + len(record.counted))
        self.outcome.count("reads through rank 0", len(record.reads))
        self.outcome.count("values told to watchers", sum(len(seen) for _, seen in record.watched))
        self.outcome.count("fences acknowledged", sum(f.rootseq is not None for f in record.fences))
        self.outcome.count("versions seen", sum(len(seen) for seen in record.versions))

    def _looked_at(self, lived: Round, complete: bool, restarted: bool) -> list[str]:
        """Return what is wrong in the state, as rank 0 tells it now."""
        life = lived.life
        with Flux(self.instance.uri) as h:
            values = {key: read(h, key) for key in RegisterClient.keys}
            counters = {key: _number(read(h, key)) for key in COUNTERS}
            text = read(h, lived.append_key).replace(INITIAL, "")
            numbers = {fence.number for fence in life.fences}
            members = range(FenceClient.members)
            present = {
                n: sum(read(h, f"{lived.name}fence.{n}.{m}") != INITIAL for m in members)
                for n in numbers
            }
        found = records.restored(life, values, complete)
        found += records.counters_restored(life, counters, SyncCounter.key)
        found += records.whole_fences(present, FenceClient.members)
        found += records.missing_tokens(life, text, sync_only=restarted)
        shots = [] if restarted else life.snapshots
        found += records.appended(Life(appends=life.appends, snapshots=shots), text)
        return found


def history(settings: Settings) -> Outcome:
    """Play ``rounds`` lives of a leader."""
    outcome, chance = Outcome("history", settings.seed), settings.random()
    left, number = settings.rounds, 0
    while left > 0:
        with folder() as base:
            play = History(outcome, chance, base)
            with play.instance:
                play.instance.boot()
                for _ in range(min(left, ROUNDS_PER_STORE)):
                    play.round(number)
                    number += 1
        left -= ROUNDS_PER_STORE
    return outcome


if __name__ == "__main__":
    main(history, __doc__, rounds=10)
