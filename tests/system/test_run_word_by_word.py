"""How ``flux run``, ``submit`` and ``watch`` tell of jobs that fail: each thing once, in the words
and with the exit codes of 0.88, but for what 0.29 has the job shell say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        (running.home / "error.lua").write_text('error("no way")\n')
        (running.home / "says.lua").write_text(
            'io.stderr:write("one\\n")\nio.write("two", 2)\nshell.log_error("three")\n'
        )
        (running.home / "plain").write_text("")
        yield running


def told(instance: Instance, line: str | list[str]) -> tuple[str, list[str], int]:
    """Run a command; returns its output, the sorted lines on stderr and its exit code, ``ID`` for
    ids of jobs, ``T`` for times.
    """
    words = line.split() if isinstance(line, str) else line
    done = instance.run(*words, timeout=PATIENCE)
    out, err = (re.sub(r"ƒ\w+", "ID", text) for text in (done.stdout, done.stderr))
    return out, sorted(re.sub(r"\b\d+\.\d{3}s", "T", err).splitlines()), done.returncode


def exits(code: int) -> str:
    return f"flux-job: task(s) exited with exit code {code}"


def shell(text: str, rank: int = 0) -> str:
    return f"T: flux-shell[{rank}]: {text}"


def raised(note: str, kind: str = "exec") -> str:
    return f"T: job.exception ID type={kind} severity=0 {note}"


NO_FILE = "No such file or directory"
NO_OUTPUT = "ERROR: output: error opening output file"
INIT = "plugin '{0}': shell.init failed"


def failed(plugin: str, reason: str, error: str = "Invalid argument") -> list[str]:
    """Return what a plugin that could not begin has said."""
    return [
        raised(f"shell_init: {error}"),
        shell(f"ERROR: {plugin}: {reason}"),
        shell(f"ERROR: {plugin}: plugin '{plugin}': shell.init failed"),
        shell(f"FATAL: shell_init: {error}"),
        exits(1),
    ]


def fatal(text: str, code: int = 1, rank: int = 0) -> list[str]:
    """Return what a shell that ended the job has said."""
    return [raised(text), shell(f"FATAL: {text}", rank), exits(code)]


SHELLS: list[tuple[str, list[str], int]] = [
    ("run nosuch", fatal(f"task 0: start failed: nosuch: {NO_FILE}", 127), 127),
    ("run ./plain", fatal("task 0: start failed: ./plain: Permission denied", 126), 126),
    ("run -o initrc=/nosuch true", fatal(f"loading rc file /nosuch: {NO_FILE}"), 1),
    (
        "run -o initrc=error.lua true",
        [*fatal("loading rc file error.lua"), shell("ERROR: error.lua:1: no way")],
        1,
    ),
    (
        "run -o initrc=says.lua true",
        [shell("stderr: one"), shell("stdout: two2"), shell("ERROR: three")],
        0,
    ),
    (
        "run --output=/nosuch/dir/out true",
        failed("output", f"error opening output file '/nosuch/dir/out': {NO_FILE}", NO_FILE),
        1,
    ),
    (
        "run --error=/ true",
        failed("output", "error opening output file '/': Is a directory", "Is a directory"),
        1,
    ),
    (
        "run --input=/nosuch true",
        failed("input", f"error opening input file '/nosuch': {NO_FILE}", NO_FILE),
        1,
    ),
    ("run -o verbose=abc true", fatal("verbose=abc is invalid: it is a number"), 1),
    ("run -o nosuch=1 true", [], 0),
    (
        "run --cwd=/nosuch true",
        [shell(f"ERROR: Could not change dir to /nosuch: {NO_FILE}. Going to /tmp instead")],
        0,
    ),
    ("run -o cpu-affinity=bad true", [shell(" WARN: cpu-affinity: invalid option: bad")], 0),
    (
        "run -o per-resource.type=foo true",
        [raised("malformed jobspec or R: per-resource: unknown type foo"), exits(1)],
        1,
    ),
]


@pytest.mark.parametrize(("line", "err", "code"), SHELLS, ids=[row[0] for row in SHELLS])
def test_what_the_shell_says_is_told_once(
    instance: Instance, line: str, err: list[str], code: int
) -> None:
    assert told(instance, line) == ("", sorted(err), code)


def test_attaching_tells_it_once(instance: Instance) -> None:
    jobid = instance.run("submit", "nosuch").stdout.strip()
    text = f"task 0: start failed: nosuch: {NO_FILE}"
    found = told(instance, ["job", "attach", jobid])
    plain = raised(text).replace("ID ", "")  # as 0.29 has it
    assert found == ("", sorted([plain, shell(f"FATAL: {text}"), exits(127)]), 127)


SIGNALS = {
    "HUP": "Hangup",
    "INT": "Interrupt",
    "KILL": "Killed",
    "USR1": "User defined signal 1",
    "SEGV": "Segmentation fault",
    "ALRM": "Alarm clock",
    "TERM": "Terminated",
    "64": "Real-time signal 30",
}


@pytest.mark.parametrize(("name", "text"), SIGNALS.items())
def test_a_signal_has_its_name(instance: Instance, name: str, text: str) -> None:
    out, err, code = told(instance, ["run", "sh", "-c", f"kill -{name} $$"])
    assert (out, err) == ("", [f"flux-job: task(s) {text}"])
    assert code > 128


FIRST = "[ $FLUX_TASK_RANK = 1 ] && {}; sleep 600"


@pytest.mark.parametrize(
    ("does", "said", "code"),
    [
        ("exit 0", "task(s) exited with exit code 1", 1),
        ("exit 3", "task(s) exited with exit code 3", 3),
        ("kill -9 $$", "task(s) Killed", 137),
    ],
)
def test_a_first_exit_that_ends_the_job_is_its_code(
    instance: Instance, does: str, said: str, code: int
) -> None:
    words = ["run", "-n2", "-o", "exit-timeout=0.1s", "sh", "-c", FIRST.format(does)]
    _, err, found = told(instance, words)
    assert (len(err), f"flux-job: {said}" in err, found) == (3, True, code)


TIMED = "job.exception: type=timeout severity=0 resource allocation expired"
REDIRECTED = ["0: stderr redirected to out", "0: stdout redirected to out"]
TALK: list[tuple[str, str, list[str], int]] = [
    ("submit --wait -t 0.1s sleep 600", "ID\n", [TIMED], 142),
    ("submit --watch -v -t 0.1s sleep 600", "ID\n", ["ID: T: failed: status=36352", TIMED], 142),
    ("submit -v --wait true", "ID\n", ["ID: T: complete: status=0"], 0),
    ("submit -v true", "ID\n", [], 0),
    ("submit --watch -l echo hi", "ID\nID: 0: hi\n", [], 0),
    ("submit --watch --output=out echo hi", "ID\n", REDIRECTED, 0),
    ("submit --watch -l --output=out echo hi", "ID\n", [f"ID: {one}" for one in REDIRECTED], 0),
    (
        "submit --watch -l -o cpu-affinity=bad true",
        "ID\n",
        ["ID: flux-shell[0]:  WARN: cpu-affinity: invalid option: bad"],
        0,
    ),
    (
        "bulksubmit -v --wait {} ::: false",
        "bulksubmit: submit false\nID\n",
        ["ID: T: failed: status=256"],
        1,
    ),
]


@pytest.mark.parametrize(("line", "out", "err", "code"), TALK, ids=[row[0] for row in TALK])
def test_what_is_said_of_followed_jobs(
    instance: Instance, line: str, out: str, err: list[str], code: int
) -> None:
    assert told(instance, line) == (out, err, code)


def test_watching_says_how_jobs_end(instance: Instance) -> None:
    jobid = instance.run("submit", "--urgency=hold", "true").stdout.strip()
    instance.run("cancel", jobid)
    canceled = "job.exception: type=cancel severity=0"
    assert told(instance, ["watch", jobid]) == ("", [canceled], 1)
    jobid = instance.run("submit", "true").stdout.strip()
    watching = "flux-watch: INFO: Watching 1 jobs"
    ended = ["ID: T: complete: status=0", watching]
    assert told(instance, ["watch", "-v", jobid]) == ("", ended, 0)
    _, err, _ = told(instance, ["watch", "-vv", jobid])
    assert {"ID: T: exec.init", 'ID: T: finish {"status":0}', *ended} <= set(err)


def test_jobs_without_end_are_said_by_the_journal(instance: Instance) -> None:
    out, err, code = told(instance, "submit --cc=1-40 -v --wait false")
    assert (len(out.splitlines()), code) == (40, 1)
    assert err == ["ID: T: failed: status=256"] * 40


def test_the_older_spelling_tells_it_as_before(instance: Instance) -> None:
    _, err, code = told(instance, ["mini", "run", "sh", "-c", "kill -9 $$"])
    assert (err, code) == ([exits(137)], 137)
    _, err, code = told(instance, "mini run nosuch")
    assert (len(err), code) == (4, 127)
    out, err, _ = told(instance, "mini submit -v --watch -l echo hi")
    assert (out, err) == ("ID\n0: hi\n", ["flux-mini: submit echo hi"])
