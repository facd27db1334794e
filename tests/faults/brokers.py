"""SIGSTOP, kill -9 and delay of each broker of a tree of eight: who waits, learns of it.

A round is one instance and one broker of it that is killed, stopped for good, or stopped for two
seconds. Before that a client has requests under way there that wait, ``flux exec`` runs a command
there, and a job runs on all ranks. After a loss each of them has to end with an error; after a
delay each goes on. Then the rest works, and the instance ends without leaving a process.
"""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import time

from flux.job.Jobspec import JobspecV1
from flux.kvs_txn import WAITCREATE, WATCH
from flux.security import sign
from flux.wire.message import STREAMING
from tests.faults.command import Settings, main
from tests.faults.health import job_runs, kvs_keeps
from tests.faults.instances import ENDED_WITHIN, MARK, Restartable, send, until
from tests.faults.line import Line
from tests.faults.outcome import Outcome

SIZE = 8
TIMEOUT = 4.0
"""overlay.timeout of the instances, seconds."""
LEARNED = 60.0
"""Seconds after which somebody who was not told counts as never told."""
DELAY = 2.0
START = -1
"""In place of a rank: ``flux start``."""
ACTIONS = ("kill", "stop", "delay")


def subtree(rank: int) -> set[int]:
    """Return a rank and those below it in a binary tree of `SIZE` brokers."""
    if rank >= SIZE:
        return set()
    return {rank} | subtree(2 * rank + 1) | subtree(2 * rank + 2)


class Waiters:
    """What is under way at a rank when something happens to it."""

    def __init__(self, tree: Restartable, rank: int) -> None:
        self.line = Line(tree.uri)
        self.rank = rank
        sync = {"namespace": "primary", "rootseq": 1 << 40}
        watch = {"namespace": "primary", "key": "never", "flags": WATCH | WAITCREATE}
        self.tags = {
            "a request": self.line.ask("kvs.sync", sync, nodeid=rank),
            "a stream": self.line.ask("kvs-watch.lookup", watch, nodeid=rank, flags=STREAMING),
        }
        self.job = self._submit(tree)
        self.exec = subprocess.Popen(
            [
                tree.instance.flux,
                "exec",
                "-n",
                "-r",
                str(rank),
                "sh",
                "-c",
                "echo up; exec sleep 600",
            ],
            env=tree.instance.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.exec.stdout is not None
        self.exec.stdout.readline()

    def _submit(self, tree: Restartable) -> int:
        """Start a job on all ranks; returns the match tag of the stream of its eventlog."""
        spec = JobspecV1.from_command(["sleep", "600"], num_tasks=SIZE, num_nodes=SIZE)
        spec.environment = {"PATH": tree.instance.environment["PATH"], MARK: tree.mark}
        spec.cwd = "/tmp"
        body = {"J": sign(spec.dumps().encode()).decode(), "urgency": 16, "flags": 0}
        jobid = self.line.answer("job-ingest.submit", body, seconds=60).json()["id"]
        watch = {"id": jobid, "path": "eventlog", "flags": 0}
        tag = self.line.ask("job-info.eventlog-watch", watch, flags=STREAMING)
        for msg in self.line.stream(tag, 60):
            if msg.errnum or json.loads(msg.json()["event"])["name"] == "start":
                break
        return tag

    def learn(self, outcome: Outcome, what: str) -> None:
        """Wait until all have learned of the loss; what has not is a fault."""
        begun, job_ended = time.monotonic(), False
        waiting = {tag: name for name, tag in self.tags.items()}
        while time.monotonic() - begun < LEARNED and not self.line.closed:
            for msg in self.line.receive(0.1):
                if msg.matchtag in waiting:
                    name = waiting.pop(msg.matchtag)
                    outcome.peak(f"seconds until {name} fails ({what})", time.monotonic() - begun)
                    fails = msg.errnum in (errno.EHOSTUNREACH, errno.ECONNRESET)
                    outcome.expect(fails, f"{name} to a lost rank gets error {msg.errnum}")
                elif msg.matchtag == self.job and (msg.errnum or "exception" in msg.text()):
                    job_ended = True
            if not waiting and job_ended and self.exec.poll() is not None:
                break
        for name in waiting.values():
            outcome.fault(f"{name} to rank {self.rank} never learns of its loss ({what})")
        outcome.expect(job_ended, f"a job on all ranks never learns of the loss of one ({what})")
        code = self.exec.poll()
        outcome.expect(code is not None, f"flux exec never learns of a lost rank ({what})")
        outcome.expect(code != 0, f"flux exec ends well though its rank is lost ({what})")

    def go_on(self, outcome: Outcome) -> None:
        """Look whether all go on after a delay."""
        outcome.expect(self.exec.poll() is None, "flux exec ends when its rank is slow")
        answer = self.line.answer("broker.ping", {"seq": 1}, nodeid=self.rank, seconds=LEARNED)
        outcome.expect(answer.errnum == 0, f"ping of a rank that was slow: {answer.errnum}")
        late = self.line.answers([*self.tags.values(), self.job], 0.5)
        outcome.expect(not late, f"{len(late)} streams end when a rank is slow")

    def close(self) -> None:
        """End what is left."""
        self.line.close()
        self.exec.kill()
        self.exec.wait()
        assert self.exec.stdout is not None
        self.exec.stdout.close()


def lose_broker(outcome: Outcome, rank: int, action: str) -> None:
    """Do something to a broker that is not the leader, and see what follows."""
    options = (f"-o,-Soverlay.timeout={TIMEOUT:g}", "--test-exit-mode=leader")
    with Restartable(SIZE, *options) as tree:
        tree.boot()
        waiters = Waiters(tree, rank)
        try:
            _act(tree.pids[rank], action)
            if action == "delay":
                waiters.go_on(outcome)
            else:
                waiters.learn(outcome, action)
                _rest_works(tree, rank, outcome)
        finally:
            waiters.close()
        _end(tree, rank, action, outcome)


def _act(pid: int, action: str) -> None:
    send(signal.SIGKILL if action == "kill" else signal.SIGSTOP, [pid])
    if action == "delay":
        time.sleep(DELAY)
        send(signal.SIGCONT, [pid])


def _rest_works(tree: Restartable, lost: int, outcome: Outcome) -> None:
    with Line(tree.uri) as line:
        for rank in sorted(set(range(SIZE)) - subtree(lost)):
            answer = line.answer("broker.ping", {"seq": rank}, nodeid=rank)
            outcome.expect(answer.errnum == 0, f"rank {rank} does not answer after loss of {lost}")
        kvs_keeps(line, "rest", outcome)
        job_runs(line, outcome)


def _end(tree: Restartable, rank: int, action: str, outcome: Outcome) -> None:
    """End the instance; a broker that is stopped for good is killed before."""
    if action == "stop":
        send(signal.SIGKILL, [tree.pids[rank]])
    begun = time.monotonic()
    code = tree.instance.stop(60)
    outcome.peak(f"seconds to the end ({action})", time.monotonic() - begun)
    outcome.expect(code != -signal.SIGKILL, f"flux start does not end after {action} of {rank}")
    gone = until(lambda: not tree.processes(), ENDED_WITHIN)
    left = len(tree.processes())
    outcome.expect(gone, f"{left} processes are left after {action} of rank {rank}")


def lose_leader(outcome: Outcome, victim: int) -> None:
    """Kill rank 0 or ``flux start``: everything has to end by itself."""
    with Restartable(SIZE, f"-o,-Soverlay.timeout={TIMEOUT:g}") as tree:
        tree.boot()
        waiters = Waiters(tree, SIZE - 1)
        pid = tree.instance.process.pid if victim == START else tree.pids[victim]
        name = "flux start" if victim == START else "rank 0"
        try:
            tree.kill([pid])
            took, left = tree.await_end()
        finally:
            waiters.close()
        outcome.peak(f"seconds to the end of all after loss of {name}", took)
        outcome.expect(not left, f"{left} processes are left after loss of {name}")


def brokers(settings: Settings) -> Outcome:
    """Take ``rounds`` of all cases, in an order by chance."""
    outcome, chance = Outcome("brokers", settings.seed), settings.random()
    cases = [(rank, action) for rank in range(1, SIZE) for action in ACTIONS]
    cases += [(0, "kill"), (START, "kill")]
    chance.shuffle(cases)
    for index in range(settings.rounds):
        rank, action = cases[index % len(cases)]
        if rank > 0:
            lose_broker(outcome, rank, action)
        else:
            lose_leader(outcome, rank)
        outcome.count("rounds")
    return outcome


if __name__ == "__main__":
    main(brokers, __doc__, rounds=23)
