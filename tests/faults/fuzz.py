"""Requests of every kind to every topic: nothing may stop a broker, no answer may show Python.

A round is a burst of 1,000 requests, as owner or as guest, to instances of 1 and of 3 brokers in
turn, and then a look whether every broker answers, the KVS keeps and, now and then, a job runs.
Between the bursts come messages and bytes that no client library would send. The topics are all
that the services declare (broker.registry); those that end something by design come last.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from flux.wire.message import NORESPONSE, RESPONSE, Message, request
from tests.faults.command import Settings, main
from tests.faults.fuzz_topics import Target, Targets
from tests.faults.health import job_runs, kvs_keeps, ranks_answer
from tests.faults.instances import Restartable
from tests.faults.line import NOBODY, Line
from tests.faults.outcome import Outcome
from tests.faults.payloads import Mutator
from tests.faults.raw_messages import RawMessages

if TYPE_CHECKING:
    import random

BURST = 1000
PIPELINE = 100
BURSTS_PER_INSTANCE = 10
BURSTS_PER_JOB = 5
RAW_PER_BURST = 100
PATIENCE = 60.0
"""Seconds that a request which owes an answer may take."""

SLOW = 1.0
"""Seconds after which an answer is noted as slow."""

PYTHON = re.compile(
    r"Traceback|object has no attribute|internal error|argument must be|not subscriptable|NoneType"
    r"|object is not|unhashable|not supported between|codec can't|surrogates not allowed"
    r"|unexpected keyword|positional argument|list index|dictionary|must be str|invalid literal"
    r"|too large to convert|<class |<function |\b[A-Z][a-z]+(?:Error|Exception)\b|0x[0-9a-f]{12}"
)
"""What text of Python's own looks like in an answer."""
EXCEPTION = re.compile(
    r"[\w.-]+ from \w+( at \w*)?: \w+(Error|Exception): .*|task \S+: \w+Error: .*"
)
"""A line of the log that tells of an exception, without its time and the name of its sender."""
SENDER = re.compile(r" from [0-9a-f]{8}")
UNFORESEEN = "could not be carried out; the broker's log says why"


class Fuzzer:
    """One instance and the bursts it gets."""

    def __init__(self, outcome: Outcome, chance: random.Random, size: int) -> None:
        self.outcome = outcome
        self.chance = chance
        self.size = size
        self.targets = Targets(chance)
        self.mutator = Mutator(chance)
        self.raw = RawMessages(chance)
        self.instance = Restartable(size, "-o,-Saccess.allow-guest-user=true")

    def boot(self) -> None:
        """Start the instance and let guests reach its socket."""
        running = self.instance.boot()
        os.chmod(running.base, 0o711)
        os.chmod(running.rundir, 0o711)

    def burst(self, count: int = BURST, ending: bool = False) -> bool:
        """Send ``count`` requests; returns whether every broker still answers."""
        guest = os.geteuid() == 0 and self.chance.random() < 0.4
        rank = self.chance.randrange(self.size)
        uri = self.instance.uri_of(rank)
        started = time.monotonic()
        try:
            for _ in range(0, count, PIPELINE):
                with Line(uri, NOBODY if guest else None) as line:
                    self._send(line, guest, ending)
            self.outcome.count("seconds in bursts", time.monotonic() - started)
            self._send_raw(uri, guest)
        except OSError as exc:
            if ending:
                return False  # it was asked to end
            self.outcome.fault(f"rank {rank} cannot be reached: {exc}")
            return False
        return self._works(ending)

    def _send(self, line: Line, guest: bool, ending: bool) -> None:
        drawn = self.targets.draw(PIPELINE, ending)
        asked: dict[int, Target] = {}
        messages = []
        for target in drawn:
            message = self._request(target, line.new_tag())
            messages.append(message)
            if not message.flags & NORESPONSE:
                asked[message.matchtag] = target
        self.outcome.count("requests as guest" if guest else "requests as owner", len(messages))
        try:
            line.send(messages)
        except OSError:
            self.outcome.count("connections cut")
            return
        self._collect(line, asked, guest)

    def _request(self, target: Target, tag: int) -> Message:
        payload = self.mutator.payload(dict(self.chance.choice(target.valid)))
        flags, nodeid = self.targets.flags(target), self.targets.nodeid(self.size)
        return request(target.topic, payload, nodeid=nodeid, matchtag=tag, flags=flags)

    def _collect(self, line: Line, asked: dict[int, Target], guest: bool) -> None:
        """Judge the answers, until every request that owes one has it."""
        owed = {tag for tag, target in asked.items() if target.must_answer}
        begun = time.monotonic()
        deadline = begun + PATIENCE
        while owed and not line.closed and (left := deadline - time.monotonic()) > 0:
            for msg in line.receive(left):
                if msg.type == RESPONSE and msg.matchtag in asked:
                    late = time.monotonic() - begun
                    if late > SLOW and msg.matchtag in owed:
                        self.outcome.note(f"{asked[msg.matchtag].topic} takes {late:.0f} s")
                    owed.discard(msg.matchtag)
                    self._judge(msg, asked[msg.matchtag], guest)
        if line.closed:
            self.outcome.count("connections cut")
            return
        for topic, times in Counter(asked[tag].topic for tag in owed).items():
            self.outcome.fault(f"{topic} is not answered ({times} times)")

    def _judge(self, msg: Message, target: Target, guest: bool) -> None:
        if not msg.errnum:
            self.outcome.count("answers of success")
            return
        self.outcome.count("answers of error")
        text, who = msg.text(), "guest" if guest else "owner"
        if PYTHON.search(text):
            self.outcome.fault(f"{target.topic} shows Python to the {who}: {text[:160]}")
        if UNFORESEEN in text:
            self.outcome.count(f"answers to the {who} of an error nobody foresaw")
            if guest:
                self.outcome.fault(f"{target.topic}: an error that nobody foresaw, for a guest")
            else:
                self.outcome.note(f"{target.topic}: an error that nobody foresaw")
        if not 0 < msg.errnum < 200:
            self.outcome.fault(f"{target.topic} fails with the error number {msg.errnum}")

    def _send_raw(self, uri: str, guest: bool) -> None:
        """Send bytes that end connections, and go on with the next one."""
        line: Line | None = None
        for _ in range(RAW_PER_BURST):
            line = line or Line(uri, NOBODY if guest else None)
            try:
                line.socket.sendall(self.raw.draw())
                line.receive(0)
            except (OSError, ValueError):
                line.closed = True
            if line.closed:
                line.close()
                line = None
            self.outcome.count("raw messages")
        if line is not None:
            line.close()

    def _works(self, ending: bool) -> bool:
        """Put right what a burst may have switched off by right, and look whether all works.

        After a burst of what ends things no more than answers is asked for.
        """
        self.outcome.count("bursts")
        try:
            with Line(self.instance.uri) as line:
                if not ranks_answer(line, self.size, self.outcome):
                    return False
                if ending:
                    return True
                self.repair(line)
                kvs_keeps(line, str(self.chance.random()), self.outcome)
                if self.outcome.figures["bursts"] % BURSTS_PER_JOB == 1:
                    job_runs(line, self.outcome)
        except OSError as exc:
            if ending:
                return False  # it was asked to end, and may do so at any moment
            self.outcome.fault(f"after a burst: {exc}")
            return False
        return True

    def repair(self, line: Line) -> None:
        """Undo drains, stopped queues, cron entries and jobs that valid requests made."""
        admin = {"query_only": False, "enable": True, "reason": ""}
        cancel = {"dry_run": False, "userid": 0xFFFFFFFF, "states": 62, "severity": 0}
        line.answer("job-manager.raiseall", cancel | {"type": "cancel", "note": ""}, seconds=60)
        line.answer("job-manager.submit-admin", admin, seconds=60)
        line.answer("job-manager.alloc-admin", admin, seconds=60)
        line.answer("resource.undrain", {"targets": f"0-{self.size - 1}"}, seconds=60)
        listed = line.answer("cron.list", {}, seconds=60)
        for entry in (listed.json() or {}).get("tasks", []):
            line.answer("cron.delete", {"id": entry["id"], "kill": True}, seconds=60)

    def finish(self) -> None:
        """Send what ends things, then end the instance and look at its log."""
        running = self.instance.instance
        self.burst(BURST // 2, ending=True)
        log = running.log
        code = self.instance.stop(30)
        for line in log.splitlines():
            if found := EXCEPTION.search(line):
                self.outcome.note(f"logged: {SENDER.sub('', found[0])[:150]}")
        if code == -9:
            self.outcome.note("an instance did not end by itself after the last burst")


def fuzz(settings: Settings) -> Outcome:
    """Send ``rounds`` bursts."""
    outcome, chance = Outcome("fuzz", settings.seed), settings.random()
    left, sizes = settings.rounds, [1, 3]
    while left > 0:
        fuzzer = Fuzzer(outcome, chance, sizes[0])
        with fuzzer.instance:
            fuzzer.boot()
            alive = True
            for _ in range(min(left, BURSTS_PER_INSTANCE)):
                alive = alive and fuzzer.burst()
            if alive:
                fuzzer.finish()
        left -= BURSTS_PER_INSTANCE
        sizes.reverse()
    requests = sum(outcome.figures.get(f"requests as {who}", 0) for who in ("owner", "guest"))
    outcome.set("requests a second", requests / max(0.001, outcome.figures["seconds in bursts"]))
    return outcome


if __name__ == "__main__":
    main(fuzz, __doc__, rounds=10)
