"""What commands say to a person at a terminal: that they wait for input, how far a wait has come,
how a list changes.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance
from tests.system.terminal import Terminal, on_terminal
from tests.system.watching import PATIENCE, ending, mark

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator

FLUX = str(default_flux())


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def flux(instance: Instance, *words: str) -> contextlib.AbstractContextManager[Terminal]:
    """Run a command on a terminal."""
    return on_terminal([FLUX, *words], instance.environment)


READERS = [
    ("kvs put --raw x=-", "the value", "hello", 0),
    ("kvs put --treeobj x=-", "the value", '{"ver":1,"type":"val","data":"YQ=="}', 0),
    ("content store", "the blob", "hello", 0),
    ("job submit", "the jobspec", "{}", 1),
    ("job id", "job ids, one a line,", "f1", 0),
    ("job namespace", "job ids, one a line,", "f1", 0),
    ("job annotate f1 key -", "the value", "5", 1),
    ("R decode", "R", "{}", 1),
    ("logger", "lines for the log", "hello", 0),
    ("R remap", "R", "{}", 1),
    ("cron tab", "the crontab lines", "", 0),
    ("admin cleanup-push", "commands, one a line,", "true", 0),
    ("mini batch -n1", "the script", "#!/bin/sh\ntrue", 0),
    ("jobs --from-stdin", "jobs as JSON, one a line,", "{}", 1),
    ("resource status --from-stdin", "an answer to resource.status", "", 0),
    ("restore --key=new -", "the archive", "", 1),
]


@pytest.mark.parametrize(("words", "what", "text", "code"), READERS, ids=[r[0] for r in READERS])
def test_who_waits_for_input_says_so(
    instance: Instance, words: str, what: str, text: str, code: int
) -> None:
    name = words.split()[0]
    told = f"flux-{name}: waiting for {what} on stdin; end with Ctrl-D"
    with flux(instance, *words.split()) as terminal:
        terminal.until(re.escape(told))
        terminal.send(f"{text}\n\x04\x04" if text else "\x04\x04")
        assert terminal.end()[0] == code
    plain = instance.run(*words.split(), stdin=text)
    assert "waiting for" not in plain.stderr
    assert plain.returncode == code


def test_ctrl_c_ends_a_wait_for_input(instance: Instance) -> None:
    with flux(instance, "content", "store") as terminal:
        terminal.until("end with Ctrl-D")
        terminal.send("\x03")
        code, shown = terminal.end()
    assert code == 130
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("queue drain", r"waiting for 2 active jobs .*\d+%"),
        ("queue idle", r"waiting for 1 running jobs .*\d+%"),
        ("job wait --all", r"waiting for 2 active jobs .*\d+%"),
    ],
)
def test_a_long_wait_shows_how_far_it_has_come(
    instance: Instance, words: str, line: str, request: pytest.FixtureRequest
) -> None:
    running = instance.run("mini", "submit", "--flags=waitable", "sleep", mark(900)).stdout.strip()
    held = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    request.addfinalizer(lambda: instance.run("job", "cancelall", "-f") and None)
    with flux(instance, *words.split()) as terminal:
        terminal.until(line)
        instance.run("job", "cancel", running)
        instance.run("job", "cancel", held)
        code, shown = terminal.end()
    assert code == (1 if words.startswith("job") else 0)
    assert shown.endswith("\n")
    # The region that scrolls is the whole terminal again.
    assert "\x1b[r" in shown


def test_a_long_wait_says_nothing_elsewhere(instance: Instance) -> None:
    assert instance.run("queue", "drain").stderr == ""


def test_ctrl_c_gives_the_terminal_back(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    with flux(instance, "queue", "drain") as terminal:
        terminal.until("waiting for 1 active jobs")
        terminal.send("\x03")
        code, shown = terminal.end()
    instance.run("job", "cancel", jobid)
    assert code == 130
    assert "\x1b[r" in shown
    assert "Traceback" not in shown


def test_a_list_is_drawn_in_place_as_it_changes(instance: Instance) -> None:
    environment = {**instance.environment, "TERM": "xterm"}
    layout = "{id.f58} {status_abbrev}"
    with on_terminal([FLUX, "jobs", "--watch", "-o", layout], environment) as terminal:
        terminal.until("0 running, 0 pending, 0 ended")
        jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
        terminal.until(rf"\x1b\[\d+A.*\n{jobid} PD.*\n.*0 running, 1 pending, 0 ended")
        instance.run("job", "urgency", jobid, "16")
        terminal.until(rf"{jobid} CD.*\n.*0 running, 0 pending, 1 ended")
        terminal.send("\x03")
        code, shown = terminal.end()
    assert code == 130
    assert "Traceback" not in shown


def test_a_list_higher_than_the_terminal_says_how_much_it_shows(instance: Instance) -> None:
    environment = {**instance.environment, "TERM": "xterm"}
    submitted = ("mini", "submit", "--urgency=hold", "--cc=1-30", "true")
    instance.run(*submitted)
    command = [FLUX, "jobs", "--watch", "-o", "{id}"]
    with on_terminal(command, environment, size=(10, 40)) as terminal:
        terminal.until(r"\n\S*7 of 30 shown: 0 running, 30 pending")
        terminal.send("\x03")
        terminal.end()
    instance.run("job", "cancelall", "-f")


def watching(instance: Instance, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [FLUX, "jobs", "--watch", *words],
        env=instance.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_elsewhere_each_change_is_a_line(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    with ending(watching(instance, "-o", "{id.f58} {status}", jobid)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "JOBID STATUS\n"
        assert process.stdout.readline() == f"{jobid} PENDING\n"
        instance.run("job", "urgency", jobid, "16")
        # The one job that was asked for has ended, and so does the watch.
        rest = process.stdout.readlines()
        assert rest[-1] == f"{jobid} COMPLETED\n"
        assert len(rest) == len(set(rest))
        assert process.wait(PATIENCE) == 0


def test_a_watch_takes_a_query_and_prints_json(instance: Instance) -> None:
    with ending(watching(instance, "--json", "--query", "name:wanted")) as process:
        assert process.stdout is not None
        for name in ("other", "wanted"):
            instance.run("mini", "run", f"--setattr=system.job.name={name}", "true")
        job = json.loads(process.stdout.readline())
        assert job["name"] == "wanted"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_watch_whose_reader_has_gone_ends_without_a_word(instance: Instance) -> None:
    with ending(watching(instance, "-a", "-n", "-o", "{id}")) as process:
        assert process.stdout is not None
        instance.run("mini", "run", "true")
        assert process.stdout.readline()
        process.stdout.close()
        instance.run("mini", "run", "true")
        assert process.wait(PATIENCE) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_watch_of_nothing_is_refused(instance: Instance) -> None:
    for option in ("--stats-only", "--from-stdin"):
        done = instance.run("jobs", "--watch", option)
        assert (done.returncode, done.stdout) == (1, "")
        assert "--watch shows jobs of the instance" in done.stderr


def test_a_watch_misses_none_of_many_jobs(instance: Instance) -> None:
    count = 1000
    simulated = ("--setattr=system.exec.test.run_duration=0.001s", "--setattr=system.job.name=many")
    query = ("--query", "name:many", "-n", "-o", "{id.f58} {status}")
    with ending(watching(instance, *query)) as process:
        submitted = instance.run("mini", "submit", f"--cc=1-{count}", *simulated, "hostname")
        assert process.stdout is not None
        last: dict[str, str] = {}
        while list(last.values()).count("COMPLETED") < count:
            jobid, status = process.stdout.readline().split()
            last[jobid] = status
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert sorted(last) == sorted(submitted.stdout.split())


def test_many_jobs_are_listed_on_a_terminal_that_is_small(instance: Instance) -> None:
    instance.run("mini", "submit", "--urgency=hold", "--cc=1-1100", "true")
    done = instance.run("jobs", "-n", "-o", "{id}")
    assert len(done.stdout.splitlines()) == 1000
    assert done.stderr == "flux-jobs: WARNING: listed 1000 of 1100 jobs; --count=0 lists all\n"
    with flux(instance, "jobs", "-n", "-c", "2", "-o", "{id}") as terminal:
        assert "listed 2 of 1100 jobs" in terminal.end()[1]
    instance.run("job", "cancelall", "-f")
