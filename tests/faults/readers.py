"""Slow and stuck clients: how much memory can they make a broker take, and do others notice?

A round goes through all cases, each on an instance of its own, whose rank 0 tells the peak of its
memory (VmHWM): subscribers that never read, as owner and as guests with a guest who publishes;
messages of which only half is sent; answers that nobody fetches.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import time
from typing import TYPE_CHECKING

from flux.wire.framing import pack
from flux.wire.message import event, request
from tests.faults.command import Settings, main
from tests.faults.health import kvs_keeps, ranks_answer
from tests.faults.instances import Restartable, until
from tests.faults.line import NOBODY, Line
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUBSCRIBERS = 8
EVENT = 64 << 10
VOLUME = 384 << 20
"""Bytes of events published to subscribers that do not read."""
PEAK_MIB = 200.0
UNREAD_MIB = 512.0
"""For answers to requests that were taken before the first of them was there: less than half of
what was asked for, and half of what docs/limits.md allows the owner.
"""
HALF = 48 << 20
"""Bytes of each message that is sent by half only."""


def peak_mib(pid: int) -> float:
    """Return the greatest resident memory that a process has had."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def measured(outcome: Outcome, what: str, limit: float = PEAK_MIB) -> Iterator[Restartable]:
    """An instance that guests may enter; notes its peak afterwards, and whether it still works."""
    with Restartable(1, "-o,-Saccess.allow-guest-user=true") as instance:
        running = instance.boot()
        os.chmod(running.base, 0o711)
        os.chmod(running.rundir, 0o711)
        before = peak_mib(instance.pids[0])
        yield instance
        with Line(instance.uri) as line:
            if ranks_answer(line, 1, outcome):
                kvs_keeps(line, what, outcome)
        peak = peak_mib(instance.pids[0])
        outcome.set(f"peak with {what}, MiB", peak)
        outcome.set(f"growth with {what}, MiB", peak - before)
        text = f"{what}: the broker took {peak:.0f} MiB at its peak, more than {limit:g}"
        outcome.expect(peak <= limit, text)


def subscribers(outcome: Outcome, guests: bool, volume: int) -> None:
    """Publish to subscribers that never read, while another client asks for something now and
    then.
    """
    what = f"{SUBSCRIBERS} {'guests' if guests else 'subscribers'} that never read"
    user = NOBODY if guests else None
    with measured(outcome, what) as instance, contextlib.ExitStack() as stack:
        for _ in range(SUBSCRIBERS):
            line = stack.enter_context(Line(instance.uri, user))
            line.answer("event.subscribe", {"topic": "flood"})
        publisher = stack.enter_context(Line(instance.uri, user))
        other = stack.enter_context(Line(instance.uri))
        body = pack(event("flood.x", {"data": "x" * EVENT}))
        for number in range(volume // EVENT):
            publisher.socket.sendall(body)
            if number % 50 == 0:
                begun = time.monotonic()
                other.answer("broker.ping", {"seq": number})
                outcome.peak(f"slowest ping beside {what}, ms", 1000 * (time.monotonic() - begun))


def half_messages(outcome: Outcome, guests: bool, each: int) -> None:
    """Send the first half of large messages on many connections and wait.

    The owner may send them (docs/limits.md): each byte may be held once. Guests' are bounded.
    """
    limit = PEAK_MIB if guests else PEAK_MIB / 2 + SUBSCRIBERS * each / 2**20
    what = f"{SUBSCRIBERS} half messages of {'guests' if guests else 'the owner'}"
    with measured(outcome, what, limit) as instance, contextlib.ExitStack() as stack:
        whole = pack(request("broker.ping", b"x" * (2 * each), matchtag=1))
        for _ in range(SUBSCRIBERS):
            line = stack.enter_context(Line(instance.uri, NOBODY if guests else None))
            line.socket.settimeout(5)
            with contextlib.suppress(OSError):  # cut off, which is right
                line.socket.sendall(whole[:each])
        with Line(instance.uri) as other:
            other.answer("broker.ping", {"seq": 0})


def unread_answers(outcome: Outcome, size: int, times: int) -> None:
    """Ask for a large value many times and fetch no answer."""
    with (
        measured(outcome, "unread answers", UNREAD_MIB) as instance,
        contextlib.ExitStack() as stack,
    ):
        data = base64.b64encode(os.urandom(size)).decode()
        ops = [{"key": "big", "flags": 0, "dirent": {"ver": 1, "type": "val", "data": data}}]
        with Line(instance.uri) as writer:
            writer.answer("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})
        body = {"namespace": "primary", "key": "big", "flags": 0}
        for _ in range(4):
            line = stack.enter_context(Line(instance.uri))
            line.socket.settimeout(1)
            with contextlib.suppress(OSError):  # not read from any more, which is right
                for _ in range(times):
                    line.ask("kvs.lookup", body)
        with Line(instance.uri) as other:
            until(lambda: other.answer("broker.ping", {"seq": 0}).errnum == 0)


def cases(volume: int, half: int) -> list[Callable[[Outcome], None]]:
    """Return the cases of one round, those with guests only for root."""
    found: list[Callable[[Outcome], None]] = [
        lambda outcome: subscribers(outcome, False, volume),
        lambda outcome: half_messages(outcome, False, half),
        lambda outcome: unread_answers(outcome, 1 << 20, 200),
    ]
    if os.geteuid() == 0:
        found.append(lambda outcome: subscribers(outcome, True, volume))
        found.append(lambda outcome: half_messages(outcome, True, 7 << 20))
    return found


def readers(settings: Settings) -> Outcome:
    """Go through all cases ``rounds`` times."""
    outcome = Outcome("readers", settings.seed)
    for _ in range(settings.rounds):
        for case in cases(VOLUME, HALF):
            try:
                case(outcome)
            except OSError as exc:
                outcome.fault(f"a client that behaves well is served badly: {exc}")
        outcome.count("rounds")
    return outcome


if __name__ == "__main__":
    main(readers, __doc__, rounds=1)
