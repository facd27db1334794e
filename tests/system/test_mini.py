"""``flux mini`` and attaching against a running instance: output, input, exit codes, Ctrl+C,
terminals.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import flux
from flux.job.event import event_wait
from flux.job.JobID import JobID
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, ending, line

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUX = str(default_flux())


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def env(
    instance: Instance, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    return {**instance.environment, "COLUMNS": "80", "LINES": "24"}


def mini(env: dict[str, str], *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [FLUX, "mini", *args],
        env=env,
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass
class Terminal:
    """A command on a pseudo terminal of its own."""

    env: dict[str, str]
    argv: list[str]
    output: bytes = field(default=b"", init=False)

    def __enter__(self) -> Terminal:
        self.fd, theirs = pty.openpty()
        # Not pty.fork, which warns if the process of the tests has threads: the leader of a session
        # without a terminal gets the one that it opens.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <>"$0"', os.ttyname(theirs), *self.argv],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with ending(self.process):
            os.close(self.fd)

    def expect(self, text: bytes, count: int = 1) -> None:
        """Read until a text has been shown so often."""
        deadline = time.monotonic() + PATIENCE
        while self.output.count(text) < count:
            assert time.monotonic() < deadline, self.output
            assert self.read(), self.output

    def read(self) -> bool:
        if not select.select([self.fd], [], [], 1)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)

    def send(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def wait(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, self.output
        return self.process.wait(PATIENCE)


def on_terminal(env: dict[str, str], *args: str) -> Terminal:
    return Terminal(env, [FLUX, "mini", *args])


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("kill -15 $$", 143), ("true", 0)],
)
def test_exit_codes(env: dict[str, str], script: str, code: int) -> None:
    assert mini(env, "run", "sh", "-c", script).returncode == code


def test_output_goes_where_it_belongs(env: dict[str, str]) -> None:
    done = mini(env, "run", "sh", "-c", "printf out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out", b"err\n")


def test_stdin_is_forwarded_byte_by_byte(env: dict[str, str]) -> None:
    data = bytes(range(256)) * 2000
    assert mini(env, "run", "cat", stdin=data).stdout == data


NOT_ACCEPTED = b"flux-job: stdin not accepted by job\n"


def attach(
    env: dict[str, str], jobid: str, stdin: bytes, *options: str
) -> subprocess.CompletedProcess[bytes]:
    argv = [FLUX, "job", "attach", *options, jobid]
    return subprocess.run(
        argv, env=env, input=stdin, capture_output=True, timeout=PATIENCE, check=False
    )


def submit(env: dict[str, str], *args: str) -> str:
    return mini(env, "submit", *args).stdout.decode().strip()


def test_input_for_a_job_that_has_ended_is_refused(env: dict[str, str]) -> None:
    job = submit(env, "cat")
    assert attach(env, job, b"hi\n").stdout == b"hi\n"
    late = attach(env, job, b"more\n")
    assert (late.returncode, late.stderr) == (1, NOT_ACCEPTED)
    for options in ((), ("--read-only",)):
        seen = attach(env, job, b"", *options)
        assert (seen.returncode, seen.stdout, seen.stderr) == (0, b"hi\n", b"")
    assert attach(env, job, b"more\n", "--read-only").returncode == 0


def test_input_after_the_end_of_the_input_is_refused(env: dict[str, str]) -> None:
    job = submit(env, "sh", "-c", "cat; echo read; until test -e go; do sleep 0.02; done")
    pipe = subprocess.PIPE
    argv = [FLUX, "job", "attach", job]
    with ending(subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe)) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(b"all there is\n")
        first.stdin.close()
        assert [first.stdout.readline() for _ in "ab"] == [b"all there is\n", b"read\n"]
        late = attach(env, job, b"more\n")
        assert (late.returncode, late.stderr) == (1, NOT_ACCEPTED)
        pathlib.Path("go").touch()
        assert first.wait(PATIENCE) == 0


def test_input_beside_a_file_is_refused(env: dict[str, str]) -> None:
    pathlib.Path("input").write_bytes(b"from a file\n")
    options = ("run", "-o", "input.stdin.type=file", "-o", "input.stdin.path=input")
    script = "cat; until test -e go; do sleep 0.02; done"
    done = mini(env, *options, "sh", "-c", script, stdin=b"more\n")
    pathlib.Path("go").touch()
    assert (done.returncode, done.stderr) == (1, NOT_ACCEPTED)
    assert mini(env, *options, "cat").stdout == b"from a file\n"


def test_input_that_nobody_reads_is_no_error(env: dict[str, str]) -> None:
    for _ in range(3):
        done = mini(env, "run", "true", stdin=bytes(300_000))
        assert (done.returncode, done.stderr) == (0, b"")


def test_labels(env: dict[str, str]) -> None:
    done = mini(env, "run", "-l", "-n2", "echo", "hi")
    assert sorted(done.stdout.splitlines()) == [b"0: hi", b"1: hi"]


COUNT = (
    "trap 'echo caught' INT; trap 'exit 9' TERM; echo ready; until test -e go; do sleep 0.02; done"
)
"""Runs until a file is there, and says if it is interrupted."""
ATTACH = f'id=$({FLUX} mini submit "$@"); echo $id; exec {FLUX} job attach $id'


@pytest.fixture(params=["run", "attach"])
def followed(
    request: pytest.FixtureRequest, env: dict[str, str], tmp_path: pathlib.Path
) -> Iterator[Terminal]:
    """A job that ends when a file ``go`` is there, followed on a terminal."""
    argv = [FLUX, "mini", "run"] if request.param == "run" else ["sh", "-c", ATTACH, "sh"]
    with Terminal(env, [*argv, "sh", "-c", COUNT]) as terminal:
        terminal.expect(b"ready")
        yield terminal
        (tmp_path / "go").touch()


def newest(instance: Instance) -> JobID:
    """The job that was submitted last."""
    return JobID(instance.run("jobs", "-a", "-n", "-c1", "-o", "{id}").stdout.strip())


def test_one_ctrl_c_does_nothing_to_the_job(followed: Terminal, tmp_path: pathlib.Path) -> None:
    followed.send(b"\x03")
    followed.expect(b"flux-job: one more ctrl-C within 2s to cancel or ctrl-Z to detach\r\n")
    (tmp_path / "go").touch()
    assert followed.wait() == 0
    assert b"caught" not in followed.output


def test_a_second_ctrl_c_cancels(followed: Terminal) -> None:
    interrupt_until(followed, b"interrupted by ctrl-C")
    assert followed.wait() == 9
    assert b"job.exception type=cancel severity=0 interrupted by ctrl-C" in followed.output
    # SIGTERM ended it: the first Ctrl+C was not passed on.
    assert followed.output.count(b"caught") == 0


def interrupt_until(terminal: Terminal, text: bytes) -> None:
    """Press Ctrl+C twice, or again if two seconds have passed before the second one came."""
    terminal.send(b"\x03")
    for count in itertools.count(1):
        terminal.expect(b"ctrl-C", count)
        if text in terminal.output:
            return
        terminal.send(b"\x03")


def test_ctrl_z_detaches(followed: Terminal, instance: Instance, tmp_path: pathlib.Path) -> None:
    followed.send(b"\x03")
    followed.expect(b"one more ctrl-C")
    followed.send(b"\x1a")
    assert followed.wait() == 1
    assert b"flux-job: detaching..." in followed.output
    (tmp_path / "go").touch()
    with flux.Flux(instance.uri) as handle:
        assert event_wait(handle, newest(instance), "finish").context["status"] == 0


@pytest.mark.parametrize("words", [["run"], ["alloc", "-n1"]], ids=["run", "alloc"])
def test_what_has_not_begun_is_cancelled_the_same_way(
    env: dict[str, str], words: list[str]
) -> None:
    with on_terminal(env, *words, "--urgency=hold", "-vv", "true") as terminal:
        terminal.expect(b"job.submit")
        interrupt_until(terminal, b"interrupted by ctrl-C")
        assert terminal.wait() == 1


def test_a_program_may_send_the_signals(
    env: dict[str, str], instance: Instance, tmp_path: pathlib.Path
) -> None:
    argv = [FLUX, "mini", "run", "sh", "-c", COUNT]
    pipe = subprocess.PIPE
    with ending(
        subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGINT)
        assert b"one more ctrl-C" in run.stderr.readline()
        time_left = time.monotonic() + 2
        run.send_signal(signal.SIGTSTP)
        answer = run.stderr.readline()
        in_time = time.monotonic() < time_left
        assert answer in (b"flux-job: detaching...\n", b"flux-job: one more ctrl-Z to suspend\n")
        if in_time:
            assert b"detaching" in answer
            assert run.wait(PATIENCE) == 1
        (tmp_path / "go").touch()
        with flux.Flux(instance.uri) as handle:
            assert event_wait(handle, newest(instance), "finish").context["status"] == 0


def test_pseudo_terminal(env: dict[str, str]) -> None:
    with on_terminal(env, "run", "-o", "pty", "sh", "-c", "tty; read x; echo got $x") as terminal:
        terminal.expect(b"/dev/pts/")
        terminal.send(b"hello\r")
        assert terminal.wait() == 0
    assert b"got hello\r\n" in terminal.output


def test_bulk_reads_slow_inputs_as_they_come(env: dict[str, str]) -> None:
    argv = [FLUX, "mini", "bulksubmit", "-q", "--watch", "echo", "{}"]
    pipe = subprocess.PIPE
    with ending(subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, text=True)) as run:
        assert run.stdin is not None
        for word in ("one\n", "two\n"):
            run.stdin.write(word)
            run.stdin.flush()
            assert line(run) == word
        run.stdin.close()
        assert line(run) == ""
        assert run.wait(PATIENCE) == 0


def test_bulk_exit_code_is_the_largest(env: dict[str, str]) -> None:
    done = mini(env, "bulksubmit", "--wait", "sh", "-c", "exit {}", ":::", "0", "1", "2")
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 3)


def test_bulk_ctrl_c_leaves_the_jobs(env: dict[str, str], instance: Instance) -> None:
    with on_terminal(env, "bulksubmit", "--wait", "sleep", "{}", ":::", "60", "61") as terminal:
        terminal.expect("ƒ".encode())
        # Whole lines: Ctrl+C throws away what the terminal has not shown.
        terminal.expect(b"\n", 2)
        terminal.send(b"\x03")
        assert terminal.wait() == 130
    assert b"interrupted: 2 jobs submitted, 2 not complete" in terminal.output
    with flux.Flux(instance.uri) as handle:
        for word in terminal.output.decode().split():
            if word.startswith("ƒ"):
                handle.rpc(
                    "job-manager.raise", {"id": int(JobID(word)), "type": "cancel", "severity": 0}
                ).get()
                event_wait(handle, JobID(word), "clean", raiseJobException=False)


def test_progress_bar_on_a_terminal(env: dict[str, str]) -> None:
    with on_terminal(
        env, "bulksubmit", "-q", "--wait", "--progress", "--jps", "true", ":::", "1", "2"
    ) as terminal:
        assert terminal.wait() == 0
    last = terminal.output.decode().rpartition("\x1b8")[2]
    assert last.startswith("PD:0 R:0 CD:2 F:0 │")
    assert last.rstrip().endswith("job/s")
    assert "│100.0%" in last


def test_logs(env: dict[str, str], tmp_path: pathlib.Path) -> None:
    done = mini(env, "bulksubmit", "--watch", "--log=log.{}", "echo", "out-{}", ":::", "1", "2")
    assert (done.returncode, done.stdout) == (0, b"")
    for word in "12":
        first, second = (tmp_path / f"log.{word}").read_text().splitlines()
        assert JobID(first)
        assert second == f"out-{word}"


def test_refused_submission(env: dict[str, str]) -> None:
    done = mini(env, "run", "--dependency=nosuch:1", "true")
    assert done.stderr == b'flux-mini: ERROR: [Errno 22] dependency scheme "nosuch" not supported\n'
    assert done.returncode == 1


def test_batch_and_alloc(env: dict[str, str]) -> None:
    assert mini(env, "alloc", "-n1", "flux", "getattr", "size").stdout == b"1\n"
    done = mini(env, "batch", "-n1", "--output=none", "--wrap", "flux", "getattr", "size")
    attached = subprocess.run(
        [FLUX, "job", "attach", done.stdout.decode().strip()],
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert attached.stdout == b"1\n"
