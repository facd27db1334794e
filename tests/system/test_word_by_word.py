"""Today's commands word by word: what they print and exit with for the same jobs, as 0.88 does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JOBS = {
    "ok": ["true"],
    "fails": ["false"],
    "timed": ["--time-limit=0.5s", "sleep", "600"],
    "shown": ["sh", "-c", "echo out; echo err >&2; exit 3"],
    "held": ["--urgency=hold", "true"],
    "dep": ["true"],
    "run": ["sleep", "600"],
}
"""Jobs of the instance by their names; ``dep`` waits for ``held``. ``canceled`` was canceled, and
so was ``never``, which had not begun.
"""
WAITING = {"held", "dep", "run", "nodes", "whole", "begin"}
"""Those that do not end."""


class Session:
    """An instance with jobs in every state, and what its commands say."""

    def __init__(self, instance: Instance, jobs: Mapping[str, list[str]] = JOBS) -> None:
        self._instance = instance
        self.ids: dict[str, str] = {}
        for name, words in jobs.items():
            after = [f"--dependency=afterany:{self.ids['held']}"] if name == "dep" else []
            self.ids[name] = self.told("submit", f"--job-name={name}", *after, *words)[0].strip()
        self.ids["canceled"] = self.told("submit", "--job-name=canceled", "sleep", "600")[0].strip()
        self.told("cancel", "-m", "why not", self.ids["canceled"])
        self.ids["never"] = self.told("submit", "--job-name=never", "--urgency=hold", "true")[
            0
        ].strip()
        self.told("cancel", self.ids["never"])
        for name in self.ids.keys() - WAITING:
            self.told("job", "wait-event", self.ids[name], "clean")

    def told(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> tuple[str, str, int]:
        """Run a command whose words name jobs as ``@NAME``; returns what it wrote, with such names
        for their ids, and its exit code.
        """
        named = [re.sub(r"@(\w+)", lambda found: self.ids[found[1]], word) for word in words]
        done = self._instance.run(*named, timeout=PATIENCE)
        out, err = done.stdout, done.stderr
        for name, jobid in self.ids.items():
            out, err = out.replace(jobid, f"@{name}"), err.replace(jobid, f"@{name}")
        return out, err, done.returncode


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with running_instance(2) as running:
        yield Session(running)


INACTIVE = "[Errno 2] job is inactive"
ERROR = "flux-pstree: ERROR:"
RANKS = "flux-job: --ranks="
INVALID = "Invalid argument"
IGNORED = "filtering options ignored with jobid list"
TOLD = [
    # pgrep
    ("pgrep .", "@held @dep @run", "", 0),
    ("pgrep -f pending .", "@held @dep", "", 0),
    ("pgrep -a --filter=failed ^ok$", "@ok", "", 0),
    ("pgrep -a -o default ^ok$", "@ok", "", 0),
    ("pgrep -a -o {id.f58} ^ok$", "JOBID @ok", "", 0),
    ("pgrep -n -a -o {id.f58} ^ok$", "@ok", "", 0),
    ("pgrep -c 0 -a .", "", "", 1),
    ("pgrep -c 1 .", "@held", "", 0),
    (
        "pgrep (x",
        "",
        "flux-pgrep: ERROR: expression error: missing ), unterminated subpattern at position 0",
        2,
    ),
    ("pgrep -c x .", "", "flux-pgrep: error: argument -c/--count: invalid int value: 'x'", 2),
    ("pgrep -f  .", "", "flux-pgrep: ERROR: Invalid filter specified:", 1),
    # pstree
    ("pstree", ". └── run", "", 0),
    ("pstree -L -1", ".", "", 0),
    ("pstree -L 0", ". └── run", "", 0),
    ("pstree -x --skip-root=maybe", "", f"{ERROR} --skip-root requires either 'yes' or 'no'", 1),
    ("pstree -nx -f failed --detail-format={id}", "@run run", "", 0),
    ("pstree -a --skip-root=yes", "run:R", "", 0),
    ("pstree --parent-label={id}-{status}", ".-RUN └── run", "", 0),
    ("pstree -o {status_abbrev} @dep @held", "D S", "", 0),
    ("pstree --skip-root=no @ok", ". └── ok", "", 0),
    ("pstree -a @ok", "ok:CD", "flux-pstree: WARNING: " + IGNORED, 0),
    ("pstree @ok 1234", "ok", "JobID 1234 unknown", 1),
    ("pstree -o {nosuch}", "", f"{ERROR} Unknown format field: nosuch", 1),
    ("pstree -a -f nosuch -o {name} -L -1", ".", "", 0),
    ("pstree --detail-format=", ". └── run", "", 0),
    # pkill
    ("pkill -c 0 .", "", "", 1),
    (
        "pkill -f failed .",
        "",
        " ".join(
            [
                f"flux-pkill: ERROR: @shown: cancel: {INACTIVE}",
                f"flux-pkill: ERROR: @fails: cancel: {INACTIVE}",
                "flux-pkill: INFO: Canceled 0 jobs",
            ]
        ),
        1,
    ),
    # job
    ("job timeleft @held", "", "flux-job: job @held has not started", 1),
    ("job timeleft f1234", "", "flux-job: f1234: no such jobid", 1),
    ("job timeleft xyz", "", "flux-job: failed to parse jobid xyz", 1),
    ("job hostpids -r x @run", "", f"{RANKS}x: error parsing range 'x': {INVALID}", 1),
    ("job hostpids -r 0-1,2- @run", "", f"{RANKS}0-1,2-: error parsing range '2-': {INVALID}", 1),
    ("job hostpids -r  @run", "", f"{RANKS}: cannot create an empty idset: {INVALID}", 1),
    (
        "job hostpids -t 0.2s @held",
        "",
        "flux-job: hostpids: timeout waiting for shell.start event",
        1,
    ),
    ("job wait @run", "", "flux-job: job was not submitted with FLUX_JOB_WAITABLE", 1),
    ("job attach f1234", "", "flux-job: Failed to attach to f1234: No such job", 1),
    ("job kill @run xyz", "", "flux-job: invalid jobid: xyz", 1),
    ("job urgency @ok 16", "", "flux-job: @ok: job is inactive", 1),
    ("job urgency @held -1", "", "flux-job: @held: urgency value is out of range", 1),
    ("job taskmap f1234", "", "flux-job: Unable to get job taskmap: no such job", 1),
    ("job taskmap @never", "", "flux-job: No taskmap found for job", 1),
    ("job purge f1234", "", "flux-job: purge: id not found", 1),
    ("job purge @held", "", "flux-job: purge: cannot purge active job", 1),
    ("job purge @ok", "use --force to purge 1 of 6 inactive jobs", "", 0),
    ("job submit", "", "flux-job: required jobspec is empty", 1),
    ("job submit --urgency=99", "", "flux-job: required jobspec is empty", 1),
    ("job submit /nosuch", "", "flux-job: /nosuch: No such file or directory", 1),
    ("job raise -s7 -t foo -m note @run @held", "", "", 0),
    ("job raise -s7 -t foo @run @ok why", "", "flux-job: raise @ok: unknown job id", 1),
    (
        "job raise -s7 -m note @run more",
        "",
        "flux-job: Do not set note on command line and with --message",
        1,
    ),
    ("job kill -s CONT @run @ok", "", "flux-job: kill @ok: unknown job id", 1),
    ("job memo @run a=1 x.y=text", "", "", 0),
    ("job memo --volatile @run v=[2]", "", "", 0),
    ("jobs -n -o {annotations.user} @run", '{"a": 1, "x": {"y": "text"}, "v": [2]}', "", 0),
    ("job memo @run a", "", "flux-job: memo: no value for key=a", 1),
    ("job memo @run =1", "", "flux-job: memo: a key is empty: =1", 1),
    ("job memo @run a=1 a.b=2", "", "flux-job: memo: a of a.b has a value already", 1),
    ("job memo @ok a=1", "", "flux-job: memo: job is inactive", 1),
    ("job memo f1234 a=1", "", "flux-job: memo: unknown job id", 1),
    ("job memo xyz a=1", "", 'flux-job: error parsing jobid: "xyz"', 1),
    # watch
    ("watch -l @shown", "@shown: 0: out", "@shown: 0: err", 3),
    (
        "watch -A -f nothing --since=+1h",
        "",
        "flux-watch: ERROR: --since=+1h appears to be in the future",
        2,
    ),
    ("watch --since=xx", "", "flux-watch: ERROR: --since: invalid value 'xx'", 2),
    # cancel
    ("cancel --dry-run -S ", "", "flux-cancel: ERROR: Invalid state  specified", 1),
    (
        "cancel --dry-run -S inactive",
        "",
        "flux-cancel: ERROR: Invalid state inactive specified flux-cancel: did you mean active?",
        1,
    ),
    ("cancel @ok", "", "flux-cancel: ERROR: @ok: job is inactive", 1),
]


@pytest.mark.parametrize(("line", "out", "err", "code"), TOLD, ids=[row[0] for row in TOLD])
def test_what_commands_say(session: Session, line: str, out: str, err: str, code: int) -> None:
    told = session.told(*line.split(" "))
    said = [
        " ".join(line for line in text.split("\n") if not line.startswith("usage: "))
        for text in told[:2]
    ]
    said[0] = " ".join(said[0].split())
    assert (said[0], said[1].strip(), told[2]) == (out, err.strip(), code)


def test_the_map_of_a_job_that_has_to_wait(session: Session) -> None:
    jobid = session.told("submit", "--begin-time=+1s", "-n1", "true")[0].strip()
    assert session.told("job", "taskmap", jobid) == ("[[0,1,1,1]]\n", "", 0)


def test_named_formats_of_pgrep(session: Session) -> None:
    full = session.told("pgrep", "-a", "-o", "full", "^ok$")
    assert full == session.told("jobs", "-o", "today", "@ok")
    assert full[0].split()[:2] == ["JOBID", "USER"]


def test_a_note_that_begins_with_what_could_be_an_id(session: Session) -> None:
    session.told("job", "raise", "-s7", "-t", "bar", "@run", "fatigue", "5", "times")
    assert "fatigue 5 times" in session.told("job", "eventlog", "@run")[0]


QUEUES = ("--conf=queues.batch.policy.limits.duration=1h", "--conf=queues.debug={}")
LIMIT = "requested duration (2h) exceeds policy limit of 1h for queue batch"
UNKNOWN = "[Errno 1] Invalid queue 'nosuch' specified\n"
REFUSED = [
    ("submit true", "[Errno 1] no queue specified\n"),
    ("submit -q nosuch true", UNKNOWN),
    ("submit -q batch -t 2h true", f"[Errno 22] {LIMIT}\n"),
    ("submit --cc=1 true", "cc=1: [Errno 1] no queue specified\n"),
    (
        "submit --bcc=3,5 -q batch -t 2h true",
        f"cc=3: [Errno 22] {LIMIT}\ncc=5: [Errno 22] {LIMIT}\n",
    ),
    ("bulksubmit {} ::: true", "[Errno 1] no queue specified\n"),
    ("bulksubmit --cc=2 {} ::: true", "cc=2: [Errno 1] no queue specified\n"),
    ("run true", "flux-run: ERROR: no queue specified\n"),
    ("run -q batch -t 2h true", f"flux-run: ERROR: {LIMIT}\n"),
    ("batch -n1 --wrap true", "flux-batch: ERROR: no queue specified\n"),
    ("alloc -n1 -q nosuch true", "flux-alloc: ERROR: Invalid queue 'nosuch' specified\n"),
    ("mini run -q batch -t 2h true", f"flux-mini: ERROR: [Errno 22] {LIMIT}\n"),
    ("submit -q debug true", "[Errno 22] job submission to debug is disabled: closed today\n"),
]
"""Submissions that queues refuse, and what is said."""


def test_what_queues_refuse() -> None:
    with running_instance(1, *QUEUES) as instance:
        instance.run("queue", "disable", "-q", "debug", "-m", "closed today")
        for line, err in REFUSED:
            done = instance.run(*line.split())
            assert (done.stdout, done.stderr, done.returncode) == ("", err, 1), line


COUNTERS = "0 alloc requests queued\n0 alloc requests pending to scheduler\n0 running jobs\n"
OFF = "Job submission is disabled"
ADMIN = "disabled by administrator"
QUEUE_TOLD = [
    (["disable", "-q", "batch"], f"batch: {OFF}: {ADMIN}\n"),
    (["disable", "debug"], f"debug: {OFF}: {ADMIN}\n"),
    (["disable", "-v", "debug", "-m", "x"], f"batch: {OFF}: {ADMIN}\ndebug: {OFF}: x\n"),
    (["disable", "-a"], f"batch: {OFF}: {ADMIN}\ndebug: {OFF}: {ADMIN}\n"),
    (["enable", "-a", "batch"], "batch: Job submission is enabled\n"),
    (["enable", "--quiet", "-q", "debug"], ""),
    (["stop", "-q", "batch"], "batch: Scheduling is stopped\n"),
    (["start", "-q", "batch"], "batch: Scheduling is started\n"),
    (["stop", "-q", "-a"], ""),
    (["start", "--quiet", "batch"], ""),
    (
        ["start", "-v", "debug"],
        f"batch: Scheduling is started\ndebug: Scheduling is started\n{COUNTERS}",
    ),
    (["status", "-q", "batch"], "batch: Job submission is enabled\nbatch: Scheduling is started\n"),
    (["drain", "-q", "batch"], ""),
]
"""Commands in their order, and what they print."""


def test_queues_with_names() -> None:
    with running_instance(1, "--conf=queues.batch={}", "--conf=queues.debug={}") as instance:
        for words, out in QUEUE_TOLD:
            done = instance.run("queue", *words)
            assert (done.stdout, done.stderr, done.returncode) == (out, "", 0), words
        done = instance.run("queue", "list", "-o", "nodes")
        headings = "QUEUE EN ST NODES NODES:UP NODES:DOWN NODES:ALLOC NODES:FREE"
        assert done.stdout.splitlines()[0].split() == headings.split()
