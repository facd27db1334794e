"""kill -9 while jobs are submitted, run, and end: is every acknowledged job there, does none run
twice?

Clients submit short jobs, others are told how they end (journal, eventlogs, wait, list). Each run
of a job leaves a line in a file outside the instance. After a random time rank 0, ``flux start``
or everything is killed, and the instance is started again on its store. A round is one kill. In
the end every acknowledged job is there, has ended, and has a legal eventlog; no id was given
twice; a job whose end was told before a kill did not run after it; one that ran twice says so.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from flux import Flux
from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit_async
from tests.faults.command import Settings, main
from tests.faults.eventlogs import Entry, ended, illegal, says_run_again, status
from tests.faults.instances import MARK, Restartable, folder, integrity
from tests.faults.outcome import Outcome
from tests.faults.told import LISTENERS, Listener, Told

if TYPE_CHECKING:
    import pathlib

ROUNDS_PER_STORE = 10
JOBS_PER_ROUND = 60
BATCH = 5
DRAIN = 180.0
VICTIMS = ("all", "all", "leader", "start")
SCRIPT = 'read boot <{base}/boot; echo "$FLUX_JOB_ID $boot $0" >>{base}/trace; exec {tail}'
TAILS = ("true", "true", "sleep 0.05", "sleep 0.3", "false")


class Submitter(threading.Thread):
    """Submits jobs a few at a time until the connection breaks; ``told`` has the acknowledged
    ids.
    """

    def __init__(self, crash: JobCrash, name: str, listeners: list[Listener], seed: int) -> None:
        super().__init__(name=name)
        self.crash = crash
        self.listeners = listeners
        self.chance = random.Random(seed)
        self.told: dict[str, int] = {}
        self.refused: list[str] = []

    def run(self) -> None:
        try:
            with Flux(self.crash.instance.uri) as h:
                for number in range(0, JOBS_PER_ROUND, BATCH):
                    names = [f"{self.name}-{number + index}" for index in range(BATCH)]
                    asked = [(n, submit_async(h, self._jobspec(n), waitable=True)) for n in names]
                    for name, future in asked:
                        self._acknowledged(name, int(future.get_id()))
        except ConnectionResetError:
            return
        except OSError as exc:
            self.refused.append(str(exc))

    def _acknowledged(self, name: str, jobid: int) -> None:
        self.told[name] = jobid
        for listener in self.listeners:
            listener.jobs.put(jobid)

    def _jobspec(self, name: str) -> JobspecV1:
        script = SCRIPT.format(base=self.crash.base, tail=self.chance.choice(TAILS))
        spec = JobspecV1.from_command(["sh", "-c", script, name])
        spec.environment = {"PATH": os.environ["PATH"], MARK: self.crash.instance.mark}
        spec.cwd = str(self.crash.base)
        spec.setattr("system.job.name", name)
        return spec


class JobCrash:
    """One store and the kills it goes through."""

    def __init__(self, outcome: Outcome, chance: random.Random, base: pathlib.Path) -> None:
        self.outcome = outcome
        self.chance = chance
        self.base = base
        self.instance = Restartable(chance.choice((1, 1, 2)), store=base / "content.sqlite")
        self.acknowledged: dict[str, int] = {}
        self.told: set[Told] = set()
        (base / "trace").touch()

    def boot(self) -> None:
        """Start the instance; jobs that run from now on say so in their trace."""
        boot = self.instance.boots + 1
        (self.base / "boot").write_text(f"{boot}\n")
        started = time.monotonic()
        self.instance.boot()
        self.outcome.peak("seconds of the longest start", time.monotonic() - started)

    def round(self, number: int) -> None:
        """Submit, listen, kill, start again."""
        boots = self.instance.boots
        listeners = [kind(self.instance.uri, boots) for kind in LISTENERS]
        submitters = [
            Submitter(self, f"r{number}s{index}", listeners, self.chance.getrandbits(32))
            for index in range(2)
        ]
        for thread in (*listeners, *submitters):
            thread.start()
        time.sleep(self.chance.uniform(0.02, 1.5))
        self._kill()
        for thread in (*submitters, *listeners):
            thread.join()
        for submitter in submitters:
            self.acknowledged |= submitter.told
            for text in submitter.refused:
                self.outcome.note(f"a submission failed: {text}")
        for listener in listeners:
            self.told |= set(listener.told)
        verdict = integrity(self.base / "content.sqlite")
        self.outcome.expect(verdict == "ok", f"the store is damaged: {verdict}")
        self.boot()

    def _kill(self) -> None:
        victim, instance = self.chance.choice(VICTIMS), self.instance
        self.outcome.count("kills")
        if victim == "all":
            instance.kill_all()
            return
        instance.kill([instance.pids[0] if victim == "leader" else instance.instance.process.pid])
        took, left = instance.await_end()
        self.outcome.peak(f"seconds to the end of all after loss of the {victim}", took)
        self.outcome.expect(not left, f"processes are left after kill -9 of the {victim}")

    def finish(self) -> None:
        """Wait for the last jobs and check everything."""
        with Flux(self.instance.uri) as h:
            try:
                h.rpc("job-manager.drain").wait_for(DRAIN).get()
            except OSError as exc:
                self.outcome.fault(f"the jobs do not end after the last start: {exc}")
            logs = {name: self._eventlog(h, jobid) for name, jobid in self.acknowledged.items()}
        self.outcome.count("acknowledged", len(self.acknowledged))
        self.outcome.count("results told", len({told.jobid for told in self.told}))
        self._check_existence(logs)
        self._check_runs(logs)

    def _eventlog(self, h: Flux, jobid: int) -> tuple[list[Entry], str]:
        body = {"id": jobid, "keys": ["eventlog", "jobspec"], "flags": 0}
        try:
            answer = h.rpc("job-info.lookup", body).wait_for(60).get()
        except FileNotFoundError:
            return [], ""
        entries = [_entry(json.loads(line)) for line in answer["eventlog"].splitlines()]
        spec = json.loads(answer["jobspec"])
        return entries, str(spec["attributes"]["system"].get("job", {}).get("name"))

    def _check_existence(self, logs: dict[str, tuple[list[Entry], str]]) -> None:
        for jobid, times in Counter(self.acknowledged.values()).items():
            self.outcome.expect(times == 1, f"job id {jobid} was given out {times} times")
        for name, (entries, stored) in logs.items():
            jobid = self.acknowledged[name]
            if not entries:
                self.outcome.count("acknowledged jobs lost")
                self.outcome.fault(f"job {jobid} ({name}) was acknowledged and is not there")
                continue
            self.outcome.expect(stored == name, f"job {jobid} is {stored}, acknowledged as {name}")
            for text in illegal(entries):
                self.outcome.fault(f"{text}: {[entry.name for entry in entries]}")
            names = [entry.name for entry in entries]
            self.outcome.expect(ended(entries), f"a job has not ended: {names}")

    def _check_runs(self, logs: dict[str, tuple[list[Entry], str]]) -> None:
        runs: dict[str, list[int]] = defaultdict(list)
        ids: dict[str, set[str]] = defaultdict(set)
        for line in (self.base / "trace").read_text().splitlines():
            jobid, boot, name = line.split()
            runs[name].append(int(boot))
            ids[name].add(jobid)
        names = {jobid: name for name, jobid in self.acknowledged.items()}
        for told in self.told:
            late = [boot for boot in runs.get(names.get(told.jobid, ""), []) if boot > told.boot]
            if late:
                self.outcome.count("told results run again")
                self.outcome.fault(f"a job ran in boot {late} though its end was told ({told.how})")
        self.outcome.count("runs", sum(map(len, runs.values())))
        for name, boots in runs.items():
            self._check_one(name, boots, logs.get(name, ([], ""))[0])
        for name, (entries, _) in logs.items():
            done = status(entries) == 0 and not runs.get(name)
            self.outcome.expect(not done, f"{name} ended well and never ran")
        self.outcome.count("runs never acknowledged", sum(name not in logs for name in runs))

    def _check_one(self, name: str, boots: list[int], entries: list[Entry]) -> None:
        twice = [boot for boot, times in Counter(boots).items() if times > 1]
        self.outcome.expect(not twice, f"{name} ran more than once in one boot")
        if len(boots) > 1 and entries:
            self.outcome.count("jobs that ran twice")
            text = f"a job ran twice and does not say so: {[entry.name for entry in entries]}"
            self.outcome.expect(says_run_again(entries), text)


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(value["name"], value.get("context") or {}, value["timestamp"])


def crash_jobs(settings: Settings) -> Outcome:
    """Kill -9 while jobs run, ``rounds`` times."""
    outcome, chance = Outcome("crash_jobs", settings.seed), settings.random()
    for name in ("acknowledged jobs lost", "told results run again", "jobs that ran twice"):
        outcome.set(name, 0)
    left = settings.rounds
    while left > 0:
        with folder() as base:
            crash = JobCrash(outcome, chance, base)
            with crash.instance:
                crash.boot()
                for number in range(min(left, ROUNDS_PER_STORE)):
                    crash.round(number)
                crash.finish()
        left -= ROUNDS_PER_STORE
    return outcome


if __name__ == "__main__":
    main(crash_jobs, __doc__, rounds=20)
