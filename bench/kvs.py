"""The key-value store: puts under way from one client, and one more key in a large directory."""

from __future__ import annotations

import statistics
import time
from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import flux
from bench.measure import Figure, Program, Target, paired, programs, show
from flux import dirblob, kvs_rpc
from flux.kvs_txn import Txn
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Callable

PUTS = 20_000
UNDER_WAY = 256
KEYS = 100_000
KEYS_A_COMMIT = 5_000
MORE = 200


def puts_per_second(h: flux.Flux) -> float:
    """Return how many commits of one key a client gets answered a second, 256 under way."""
    waiting: deque[flux.rpc.RPC] = deque()
    began = time.perf_counter()
    for number in range(PUTS):
        if len(waiting) == UNDER_WAY:
            waiting.popleft().get()
        waiting.append(kvs_rpc.commit(h, Txn().put_raw(f"bench.{number}", b"%d" % number)))
    while waiting:
        waiting.popleft().get()
    return PUTS / (time.perf_counter() - began)


def fill(h: flux.Flux, keys: int) -> None:
    """Have the directory ``large`` hold ``keys`` keys."""
    for first in range(0, keys, KEYS_A_COMMIT):
        txn = Txn()
        for number in range(first, min(keys, first + KEYS_A_COMMIT)):
            txn.put_raw(f"large.key{number}", b"%d" % number)
        kvs_rpc.commit(h, txn).get()


def put_seconds(h: flux.Flux) -> float:
    """Return the median seconds of one more key in ``large``, each commit answered before the next
    one.
    """
    times = []
    for number in range(MORE):
        began = time.perf_counter()
        kvs_rpc.commit(h, Txn().put_raw(f"large.more{number}", b"1")).get()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def path_bytes(h: flux.Flux, key: str) -> int:
    """Return the bytes of the directories on the way to ``key``: what its put wrote anew."""
    refs: list[str] = [kvs_rpc.getroot(h).get()["rootref"]]
    total = 0
    for name in key.split("."):
        found: dirblob.Entries = {}
        while refs:
            # As they are in the store: `content.load` makes one directory of the parts.
            blobs = [
                h.rpc_raw("content.load-stored", ref.encode() + b"\0").message().payload or b""
                for ref in refs
            ]
            total += sum(map(len, blobs))
            parsed = [dirblob.parse(ref, blob) for ref, blob in zip(refs, blobs, strict=True)]
            found = {name: obj for part in parsed for name, obj in part.items()}
            bucket = parsed[0].bucket_of(name) if isinstance(parsed[0], dirblob.Buckets) else None
            refs = [bucket] if bucket is not None else []
        refs = found[name]["data"] if found[name]["type"] == "dirref" else []
    return total


@cache
def _sample(program: Program) -> dict[str, float]:
    with running_instance(1, flux=program.flux) as instance, flux.Flux(instance.uri) as h:
        rate = puts_per_second(h)
        fill(h, KEYS)
        seconds = put_seconds(h)
        return {
            "puts": rate,
            "put": seconds * 1000,
            "bytes": path_bytes(h, f"large.more{MORE - 1}") / 1024,
        }


def _part(name: str) -> Callable[[Program], float]:
    return lambda program: _sample(program)[name]


def figures() -> list[Figure]:
    """Puts a second of one client; milliseconds and KiB of one more key beside 100,000."""
    ours = programs()[:1]
    rows = (
        ("kvs puts of one client, 256 under way", "puts/s", "puts", Target(5000, None, True)),
        ("one more key in a directory of 100,000", "ms", "put", Target(bound=5)),
        ("directories that it writes anew", "KiB", "bytes", Target(bound=32)),
    )
    return [
        paired(name, unit, target, _part(which), 1, ours, warm_up=0)
        for name, unit, which, target in rows
    ]


if __name__ == "__main__":
    show(figures())
