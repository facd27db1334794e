"""``flux.subprocess`` on a real broker: processes in the background, waited for, listed and
killed.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

import flux
from flux import subprocess
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def handle() -> Iterator[flux.Flux]:
    """A connection to an instance of two brokers."""
    with running_instance(2) as instance, flux.Flux(instance.uri) as connected:
        yield connected


def test_a_process_is_waited_for_with_its_output(handle: flux.Flux) -> None:
    words = ["sh", "-c", "echo out; echo bad >&2; exit 3"]
    started = subprocess.rexec_bg(handle, words, label="ends", waitable=True)
    assert started.get_pid() > 0
    ended = subprocess.wait(handle, label="ends")
    assert os.waitstatus_to_exitcode(ended.get_status()) == 3
    assert (ended.stdout, ended.stderr) == (b"out\n", b"bad\n")


def test_a_process_of_another_rank_is_listed_and_killed(handle: flux.Flux) -> None:
    started = subprocess.rexec_bg(
        handle, ["sleep", "1000"], label="sleeps", waitable=True, nodeid=1
    )
    pid = started.get_pid()
    assert started.get_rank() == 1
    listed = subprocess.list(handle, nodeid=1).get_processes()
    assert [(one.pid, one.rank, one.label) for one in listed] == [(pid, 1, "sleeps")]
    assert subprocess.list(handle, nodeid=0).get_processes() == []
    subprocess.kill(handle, signal.SIGKILL, pid=pid, nodeid=1).get()
    ended = subprocess.wait(handle, pid=pid, nodeid=1)
    assert os.WTERMSIG(ended.get_status()) == signal.SIGKILL


def test_what_there_is_not_fails(handle: flux.Flux) -> None:
    with pytest.raises(ProcessLookupError):
        subprocess.kill(handle, label="nobody").get()
    with pytest.raises(ProcessLookupError):
        subprocess.wait(handle, pid=999999999).get_status()
    with pytest.raises(FileNotFoundError):
        subprocess.rexec_bg(handle, ["/no/such/program"]).get_pid()
