"""Tab in real shells: what a line becomes, and what is offered, in bash, zsh and fish."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance
from tests.system.watching import PATIENCE, broker_pid, ending

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUES = """
[queues.debug]
[queues.batch]
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    (folder := tmp_path_factory.mktemp("config")).joinpath("queues.toml").write_text(QUEUES)
    with running_instance(2, f"-o,--config-path={folder}") as running:
        running.run("kvs", "put", "colors.sky=blue", "colors.grass=green")
        running.run("cron", "interval", "--name=clock", "1h", "date")
        yield running


@pytest.fixture(scope="module")
def jobs(instance: Instance) -> list[str]:
    """A job that has ended, and one that waits."""
    submit = ("mini", "submit", "--queue=batch")
    ended = instance.run(*submit, "--setattr=system.job.name=ended", "true").stdout.strip()
    instance.run("job", "status", ended)
    held = (*submit, "--urgency=hold", "--setattr=system.job.name=held", "true")
    return [instance.run(*held).stdout.strip(), ended]


def shell(name: str) -> str:
    """Return the path of a shell, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def environment(instance: Instance) -> dict[str, str]:
    """Return an environment in which ``flux`` is ours and the terminal is plain."""
    path = f"{os.path.dirname(default_flux())}:{os.environ['PATH']}"
    plain = {
        "TERM": "dumb",
        "PS1": "",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "INPUTRC": "/dev/null",
    }
    return {**os.environ, **instance.environment, **plain, "PATH": path}


LAUNCH = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        "bind 'set enable-bracketed-paste off'; "
        'eval "$(_FLUX_COMPLETE=bash_source flux)"; PS1=; echo rea""dy\n',
    ),
    "zsh": (
        ["-f", "-i"],
        "unsetopt zle_bracketed_paste; bindkey -e; autoload -U compinit; compinit -u -D; "
        'eval "$(_FLUX_COMPLETE=zsh_source flux)"; PS1=; PROMPT_EOL_MARK=; echo rea""dy\n',
    ),
}


class Typing:
    """An interactive shell on a terminal of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.seen = ""

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._descriptor, text.encode())

    def until(self, pattern: str) -> str:
        """Read until a pattern has come; returns what it matches and takes it off."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.seen)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern} has not come: {self.seen!r}"
            if select.select([self._descriptor], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self._descriptor, 65536).decode("utf-8", "replace")
        self.seen = self.seen[found.end() :]
        return found[0]

    def completed(self, typed: str) -> list[str]:
        """Return the words that a line has after Tab."""
        self.seen = ""
        # Ctrl+A and Ctrl+E: a command around the line prints its words.
        self.send(f"{typed}\t\x01printf '<%s>' \x05; printf '<%s>' en''d\n")
        shown = self.until(r"<flux>(<[^>]*>)*<end>")
        return re.findall(r"<([^>]*)>", shown)[1:-1]


@contextlib.contextmanager
def typing(name: str, env: dict[str, str]) -> Iterator[Typing]:
    """Start a shell with our completion."""
    arguments, begin = LAUNCH[name]
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [shell(name), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
        )
        os.close(theirs)
        with ending(process):
            terminal = Typing(ours)
            terminal.send(begin)
            terminal.until(r"(?m)^ready\r?$")
            yield terminal
    finally:
        os.close(ours)


@pytest.fixture(scope="module", params=["bash", "zsh"])
def terminal(request: pytest.FixtureRequest, instance: Instance) -> Iterator[Typing]:
    with typing(str(request.param), environment(instance)) as found:
        yield found


LINES = [
    ("flux reso", ["resource"]),
    ("flux jobs --col", ["jobs", "--color"]),
    ("flux jobs --color=al", ["jobs", "--color=always"]),
    ("flux jobs --filter=failed,runn", ["jobs", "--filter=failed,running"]),
    ("flux jobs -f canc", ["jobs", "-f", "canceled"]),
    ("flux jobs -o '{id.f58} {username}{nnod", ["jobs", "-o", "{id.f58} {username}{nnodes}"]),
    ("flux jobs --query=state:fai", ["jobs", "--query=state:failed"]),
    ("flux jobs --query 'user:me state:fai", ["jobs", "--query", "user:me state:failed"]),
    ("flux jobs --query queue:deb", ["jobs", "--query", "queue:debug"]),
    ("flux jobs -q deb", ["jobs", "-q", "debug"]),
    ("flux queue status ba", ["queue", "status", "batch"]),
    ("flux kvs get colors.s", ["kvs", "get", "colors.sky"]),
    ("flux kvs get colo", ["kvs", "get", "colors."]),
    ("flux module stats kvs-w", ["module", "stats", "kvs-watch"]),
    ("flux getattr tbon.fan", ["getattr", "tbon.fanout"]),
    ("flux cron stop cron-", ["cron", "stop", "cron-1"]),
    ("flux top --sort=runt", ["top", "--sort=runtime"]),
    ("flux resource status -s exc", ["resource", "status", "-s", "exclude"]),
    ("flux resource list -s free,do", ["resource", "list", "-s", "free,down"]),
    ("flux job eventlog -T off", ["job", "eventlog", "-T", "offset"]),
    ("flux overlay status --wait=deg", ["overlay", "status", "--wait=degraded"]),
]


@pytest.mark.parametrize(("typed", "words"), LINES, ids=[line[0] for line in LINES])
def test_a_line_after_tab(terminal: Typing, typed: str, words: list[str]) -> None:
    assert terminal.completed(typed) == words


def test_job_ids_after_tab(terminal: Typing, jobs: list[str]) -> None:
    held, _ = jobs
    for command in ("jobs", "job cancel", "job info"):
        assert terminal.completed(f"flux {command} {held[:-1]}")[-1] == held


def offered(instance: Instance, line: str, env: dict[str, str] | None = None) -> list[list[str]]:
    """Return the words that fish offers for a line, each with what it says of it."""
    script = f"_FLUX_COMPLETE=fish_source flux | source; complete -C {line!r}"
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        env={**environment(instance), **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [row.split("\t") for row in done.stdout.splitlines()]


def test_fish_is_told_what_each_word_is(instance: Instance, jobs: list[str]) -> None:
    held, ended = jobs
    assert offered(instance, "flux job cancel ƒ") == [
        [held, "held PENDING"],
        [ended, "ended COMPLETED"],
    ]
    assert offered(instance, "flux jobs --query=lim") == [["--query=limit:", "its time limit"]]
    assert offered(instance, "flux resource drain 1") == [["1", os.uname().nodename]]


@pytest.mark.parametrize(("typed", "words"), LINES[:9], ids=[line[0] for line in LINES[:9]])
def test_fish_completes_the_same(instance: Instance, typed: str, words: list[str]) -> None:
    assert [row[0] for row in offered(instance, typed)][-1:] == words[-1:]


def test_a_broker_that_does_not_answer_is_not_waited_for() -> None:
    with running_instance(1) as hung:
        pid = broker_pid(hung, 0)
        os.kill(pid, signal.SIGSTOP)
        try:
            asked = {"_FLUX_COMPLETE": "bash_complete", "COMP_LINE": "flux job cancel "}
            done = subprocess.run(
                [default_flux()],
                env={**hung.environment, **asked},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        finally:
            os.kill(pid, signal.SIGCONT)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
