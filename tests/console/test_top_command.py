"""``flux top`` from a shell."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.watching import PATIENCE, background, ending, line

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUX = str(Path(sys.executable).with_name("flux"))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


def test_without_a_terminal_it_says_what_to_do(instance: Instance) -> None:
    done = instance.run("top")
    assert done.returncode == 1
    assert (
        done.stderr
        == "flux-top: the dashboard needs a terminal; use --linear to print changes as lines\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "nope"], "no column nope; there are id, user, state"),
        (["--filter", "stat:x"], "--filter: no field stat; did you mean state?"),
        (["nonsense!"], "nonsense!: neither a job id nor a URI"),
        (["12345"], "12345: no such job"),
    ],
)
def test_bad_arguments(instance: Instance, arguments: list[str], message: str) -> None:
    done = instance.run("top", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"flux-top: {message}")


QUEUES: dict[str, dict[str, dict[str, str]]] = {"queues": {"debug": {}, "batch": {}}}


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    config = tmp_path_factory.mktemp("conf") / "queues.json"
    config.write_text(json.dumps(QUEUES))
    with running_instance(1, f"--conf={config}") as running:
        yield running


def test_a_queue_that_is_not_there(instance: Instance, queues: Instance) -> None:
    for one in (instance, queues):
        done = one.run("top", "--queue", "nosuch")
        assert (done.returncode, done.stderr) == (1, "flux-top: queue nosuch not configured\n")
    mistyped = queues.run("top", "-q", "debgu")
    assert mistyped.stderr.startswith("flux-top: queue debgu not configured")
    assert "debug" in mistyped.stderr


def test_the_jobs_of_a_queue(queues: Instance) -> None:
    with background(
        queues, "top", "--linear", "-q", "debug", "--filter", "name:a OR name:b"
    ) as top:
        lines: list[str] = []
        while not any("cores in use" in text for text in lines):
            lines.append(line(top))
            assert lines[-1]
        for queue, name in (("batch", "a"), ("debug", "c"), ("debug", "b")):
            jobid = queues.run("submit", f"-q{queue}", f"--job-name={name}", "true").stdout.strip()
            queues.run("job", "wait-event", jobid, "clean")
        while not any(f"{jobid} " in text and "completed" in text for text in lines):
            lines.append(line(top))
            assert lines[-1]
        top.send_signal(signal.SIGINT)
        top.communicate(timeout=PATIENCE)
    jobs = [text for text in lines if "\u0192" in text]
    assert jobs
    assert all(f"{jobid} " in text for text in jobs)


def test_a_job_that_is_no_instance(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "true").stdout.strip()
    done = instance.run("top", jobid)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"flux-top: {jobid}: the job is not a Flux instance, or it is not ready yet\n"
    )


def test_without_an_instance() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "FLUX_URI"}
    done = subprocess.run(
        [FLUX, "top", "--linear"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("flux-top: FLUX_URI is not set: name an instance by its URI")


def test_it_waits_for_an_instance_that_is_not_there_yet(tmp_path: Path) -> None:
    uri = f"local://{tmp_path}/local"
    done = subprocess.Popen(
        [FLUX, "top", "--linear"],
        env={**os.environ, "FLUX_URI": uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ending(done) as top:
        told = line(top) + line(top)
        assert f"no broker answers at {uri}: No such file or directory" in told
        assert top.poll() is None
        top.send_signal(signal.SIGINT)
        top.communicate(timeout=PATIENCE)
        assert top.returncode == 130


def test_a_batch_job_is_an_instance_to_show(instance: Instance, tmp_path: Path) -> None:
    script = tmp_path / "batch.sh"
    script.write_text("#!/bin/sh\nflux mini run --job-name=inside true\nsleep inf\n")
    done = instance.run("mini", "batch", "-n1", f"--output={tmp_path}/out", str(script))
    jobid = done.stdout.strip()
    instance.run("uri", "--wait", jobid)
    with background(instance, "top", "--linear", jobid) as top:
        told = ""
        while "1 broker, " not in told:
            told = line(top)
            assert told
        top.send_signal(signal.SIGINT)
        top.communicate(timeout=PATIENCE)
    instance.run("job", "cancel", jobid)


def test_linear_prints_changes_and_ends_on_interrupt(instance: Instance) -> None:
    command = ("top", "--linear", "--filter", "name:true")
    with background(instance, *command) as top:
        lines: list[str] = []
        while not any("cores in use" in text for text in lines):
            lines.append(line(top))
            assert lines[-1]
        jobid = instance.run("mini", "submit", "true").stdout.strip()
        while not any(f"{jobid} " in text and "completed" in text for text in lines):
            lines.append(line(top))
            assert lines[-1]
        top.send_signal(signal.SIGINT)
        _, errors = top.communicate(timeout=PATIENCE)
        assert (top.returncode, errors) == (130, "")


def read_until(terminal: int, text: bytes, seconds: float = PATIENCE) -> bytes:
    """Return what the terminal showed up to ``text``."""
    shown = b""
    deadline = time.monotonic() + seconds
    while text not in shown:
        assert time.monotonic() < deadline, shown[-2000:]
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    return shown


def on_terminal(theirs: int, environment: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    """A dashboard on the terminal whose end it is given, which is its alone from now on."""
    process = subprocess.Popen(
        [FLUX, "top", *options],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return process


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl-c"])
def test_on_a_terminal_it_draws_and_quits_cleanly(instance: Instance, key: bytes) -> None:
    terminal, theirs = pty.openpty()
    environment = instance.environment | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    with ending(on_terminal(theirs, environment)) as top:
        shown = read_until(terminal, b"JOBID")
        if b"broker" not in shown:  # the name of the program that runs inside it
            read_until(terminal, b"broker")
        os.write(terminal, key)
        read_until(terminal, b"\x1b[?1049l")
        assert top.wait(PATIENCE) == 0
    os.close(terminal)


@pytest.mark.parametrize(("when", "colored"), [("never", False), ("always", True)])
def test_color_that_is_asked_for(instance: Instance, when: str, colored: bool) -> None:
    terminal, theirs = pty.openpty()
    environment = instance.environment | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    environment["COLORTERM"] = "truecolor"
    environment.pop("NO_COLOR", None)
    if colored:
        environment["NO_COLOR"] = "1"
    with ending(on_terminal(theirs, environment, f"--color={when}")) as top:
        shown = read_until(terminal, b"JOBID")
        os.write(terminal, b"q")
        shown += read_until(terminal, b"\x1b[?1049l")
        assert top.wait(PATIENCE) == 0
    os.close(terminal)
    assert has_colors(shown) == colored


def has_colors(shown: bytes) -> bool:
    """Whether any red, green and blue that was drawn are not the same: grey is none."""
    mixed = re.findall(rb"[34]8;2;([0-9]+);([0-9]+);([0-9]+)", shown)
    return any(len(set(color)) > 1 for color in mixed)


def test_the_command_line_loads_no_dashboard() -> None:
    script = (
        "import fluxctl.main, fluxctl.commands.top, sys; "
        "print([m for m in sys.modules if m.split('.')[0] in ('tui', 'textual')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_linear_prints_objects_for_programs(instance: Instance) -> None:
    with background(instance, "top", "--linear", "--json") as top:
        while (told := json.loads(line(top)))["type"] != "summary":
            assert told["type"] == "connection"
        jobid = instance.run("mini", "submit", "--job-name=object", "true").stdout.strip()
        while (told := json.loads(line(top))) and told.get("state") != "completed":
            assert told["type"] == "job"
        assert (told["jobid"], told["name"]) == (jobid, "object")
        assert told["runtime"] >= 0
        top.send_signal(signal.SIGINT)
        _, errors = top.communicate(timeout=PATIENCE)
        assert (top.returncode, errors) == (130, "")


def test_a_reader_that_goes_ends_it_without_a_word(instance: Instance) -> None:
    for arguments in (["--linear"], ["--linear", "--json"]):
        with background(instance, "top", *arguments) as top:
            assert line(top)
            assert top.stdout is not None
            top.stdout.close()
            while top.poll() is None:
                instance.run("mini", "run", "true")
            assert top.stderr is not None
            assert (top.returncode, top.stderr.read()) == (141, "")


def test_objects_are_for_lines_only(instance: Instance) -> None:
    done = instance.run("top", "--json")
    assert done.returncode == 1
    assert done.stderr == "flux-top: --json goes with --linear; flux jobs --json lists jobs\n"


def test_what_cannot_be_reached_is_said_at_once(instance: Instance, tmp_path: Path) -> None:
    done = instance.run("top", "--linear", "foo://x")
    assert done.returncode == 1
    assert done.stderr.startswith("flux-top: foo://x: no connector for the foo scheme")
    done = instance.run("top", "--linear", f"local://{tmp_path}")
    assert done.returncode == 1
    assert "that is no socket of a broker" in done.stderr
