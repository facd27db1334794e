"""The installed command in a terminal, from the prompt of a shell and back to it."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from flux import Flux
from flux.job import JobspecV1, submit
from flux.testing.instance import Instance, running_instance
from tests.console.tmux import MISSING, ORDINARY, PROGRAM, Tmux, terminal
from tests.system.watching import broker_pid, has_ended, kill_instance, until, until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture
def shell(instance: Instance) -> Iterator[Tmux]:
    with terminal(instance.environment) as tmux:
        yield tmux


def run_job(instance: Instance, name: str, *command: str) -> str:
    """Submit a job; returns its id."""
    handle = Flux(instance.uri)
    jobspec = JobspecV1.from_command(list(command))
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    jobspec.setattr("system.job.name", name)
    try:
        return submit(handle, jobspec).f58
    finally:
        handle.close()


def ordinary(shell: Tmux) -> None:
    """The terminal is as a shell wants it: screen, cursor, mouse, echo, pasting."""
    shell.until_so(lambda: shell.state == ORDINARY)
    shell.run("clear; stty -a")
    assert {"echo", "icanon", "isig", "icrnl", "ixon"} <= set(shell.until("echoctl").split())
    shell.run("clear; echo cat'' reads; cat -v")
    shell.until("cat reads")
    shell.paste("pasted")
    shell.until_so(lambda: shell.screen.count("pasted") == 1)
    shell.type("Enter")
    assert "[200~" not in shell.until_so(lambda: shell.screen.count("pasted") == 2)
    shell.type("C-c")
    # What is typed before the prompt goes with the interrupt.
    shell.until_so(lambda: shell.screen.rstrip().endswith("$"))
    shell.run("clear; echo back'' at the prompt")
    shell.until("back at the prompt")


@pytest.mark.parametrize("true_color", [True, False], ids=["true-colour", "256-colours"])
def test_a_day_of_work(instance: Instance, true_color: bool) -> None:
    name = "truth" if true_color else "palette"
    jobid = run_job(instance, name, "sh", "-c", "echo something to read; sleep inf")
    other = run_job(instance, "bystander", "true")
    with terminal(instance.environment, true_color=true_color) as shell:
        shell.run("flux top")
        shell.until("JOBID", name, "bystander")
        assert ("38;2;" in shell.colored) is true_color
        assert ("38;5;" in shell.colored) is not true_color
        shell.type("/", f"n:{name}", "Enter")
        shell.until_so(lambda: "bystander" not in shell.screen and name in shell.screen)
        # The line has to be closed before Enter is the table's.
        shell.until_so(lambda: shell.pressed("Enter", "something to read"))
        shell.type("Escape")
        shell.until("JOBID")
        shell.resize(10, 2)
        shell.type("j")
        shell.resize(120, 40)
        shell.until("JOBID", name)
        # The terminal may show what it had before the program has heard that there is room again.
        shell.until_so(lambda: shell.pressed("c", "Cancel 1 job?"))
        shell.until("Cancel 1 job?", "Back")
        shell.type("Tab", "Enter")
        until_equal(
            lambda: instance.run("jobs", "-no", "{status}", jobid).stdout.strip(), "CANCELED"
        )
        shell.type("Escape")
        shell.until("bystander", other)
        shell.type("q")
        ordinary(shell)


@pytest.mark.parametrize("key", ["q", "C-c", "C-q"])
def test_quitting_leaves_the_terminal_as_it_was(shell: Tmux, key: str) -> None:
    shell.run("echo before; flux top; echo code $?")
    shell.until("JOBID")
    shell.type(key)
    assert "\nbefore\n" in shell.until("code 0")
    ordinary(shell)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_so_does_a_signal(shell: Tmux, signum: int) -> None:
    shell.run("flux top; echo code $?")
    shell.until("JOBID")
    os.kill(shell.child(), signum)
    shown = shell.until(f"code {128 + signum}")
    assert "Traceback" not in shown
    ordinary(shell)


_CRASH = """
import os, sys
from tui.app import TopApp
repaint = TopApp.repaint
def broken(self):
    if os.path.exists(sys.argv[1]):
        raise RuntimeError("this is what broke")
    repaint(self)
TopApp.repaint = broken
from fluxctl.main import main
main(["top"])
"""


def test_so_does_a_fault_of_ours(shell: Tmux, tmp_path: Path) -> None:
    (tmp_path / "crash.py").write_text(_CRASH)
    shell.run(f"{sys.executable} {tmp_path}/crash.py {tmp_path}/now; echo code $?")
    shell.until("JOBID")
    (tmp_path / "now").touch()
    shell.until("this is what broke", "code 1")
    ordinary(shell)


def test_a_terminal_that_goes_takes_the_dashboard_along(instance: Instance) -> None:
    with terminal(instance.environment) as shell:
        shell.run("flux top")
        shell.until("JOBID")
        process = psutil.Process(shell.child())
    until(lambda: has_ended(process))


def test_it_is_put_into_the_background_and_comes_back(shell: Tmux, instance: Instance) -> None:
    run_job(instance, "first", "true")
    shell.run("flux top")
    shell.until("JOBID", "first")
    for name in ("second", "third"):
        shell.type("C-z")
        shell.until_so(lambda: shell.state == ORDINARY)
        shell.run("clear; echo in'' the shell")
        shell.until("in the shell")
        run_job(instance, name, "true")
        shell.run("fg")
        shell.until("JOBID", name)
        assert shell.state != ORDINARY
        shell.type("?")
        shell.until("Open the job under the cursor")
        shell.type("q")
        shell.until("JOBID")
    shell.type("q")
    ordinary(shell)


def test_the_screen_is_drawn_anew_on_demand(shell: Tmux) -> None:
    shell.run("flux top")
    shell.until("JOBID")
    descriptor = os.open(f"/proc/{shell.child()}/fd/1", os.O_WRONLY | os.O_NOCTTY)
    os.write(descriptor, b"\x1b[2J\x1b[H")
    os.close(descriptor)
    shell.until_so(lambda: "JOBID" not in shell.screen)
    shell.type("C-l")
    shell.until("JOBID")
    shell.type("q")
    ordinary(shell)


def test_a_shell_that_exports_its_size_does_not_fix_ours(shell: Tmux) -> None:
    shell.run("export COLUMNS=80 LINES=24; flux top")
    shell.until("JOBID")
    shell.until_so(lambda: any(len(line.rstrip()) > 100 for line in shell.screen.splitlines()))
    shell.resize(150, 45)
    shell.until_so(lambda: any(len(line.rstrip()) > 140 for line in shell.screen.splitlines()))
    shell.type("q")
    ordinary(shell)


def test_a_broker_that_stops_or_is_lost_is_told() -> None:
    with running_instance(1) as doomed, terminal(doomed.environment) as shell:
        run_job(doomed, "stays", "sleep", "inf")
        shell.run("flux top")
        shell.until("JOBID", "stays")
        pid = broker_pid(doomed, 0)
        os.kill(pid, signal.SIGSTOP)
        try:
            shell.until("no answer")
        finally:
            os.kill(pid, signal.SIGCONT)
        shell.until_so(lambda: "no answer" not in shell.screen)
        kill_instance(doomed)
        assert "stays" in shell.until("trying again")
        shell.type("q")
        ordinary(shell)
