"""``flux start --recovery``: what another instance left is looked at, and no job runs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux

from .terminal import on_terminal
from .test_startlog import KILLED, start

if TYPE_CHECKING:
    import pathlib

NO_EXEC = "flux modprobe load content-sqlite sched job-ingest job-info job-list"
"""An rc1 without the service that starts jobs: one that got its resources stays so."""
LEAVE = f"""
flux submit --urgency=hold -n1 touch {{0}}/held
flux submit -n1 touch {{0}}/allocated
flux job wait-event -q $(flux job last) alloc
flux kvs put a=1
flux resource drain 0 broken
flux dump -q {{0}}/dump.tar
sleep 1.5
{KILLED}
"""
LOOK = (
    "flux jobs -A -no '{status} {name}'; flux kvs get a; flux resource list -no '{state} {nnodes}'"
)
SEEN = {"PENDING touch", "RUNNING touch", "1", "free 0", "allocated 1", "down 1"}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the state directory of an instance that was killed, and an archive of it."""
    folder = tmp_path_factory.mktemp("left")
    words = (f"-Sstatedir={folder}/state", f"-Sbroker.rc1_path={NO_EXEC}")
    start(*words, LEAVE.format(folder), code=128 + signal.SIGKILL)
    return folder


def test_an_archive_is_looked_at(left: pathlib.Path) -> None:
    before = (left / "dump.tar").read_bytes()
    done = start(f"--recovery={left}/dump.tar", LOOK)
    assert set(done.stdout.splitlines()) == SEEN
    assert done.stderr == ""
    assert (left / "dump.tar").read_bytes() == before
    more = "flux submit true >&2; flux getattr size; flux getattr broker.recovery-mode; exit 3"
    assert start(f"-r{left}/dump.tar", more, code=3).stdout == "1\n1\n"


def test_a_state_directory_is_looked_at_and_changed(left: pathlib.Path) -> None:
    here = f"{left}/state"
    script = f"{LOOK}; flux kvs put a=2; flux resource undrain 0; flux startlog --check --quiet"
    done = start(f"--recovery={here}", script, code=1)
    assert set(done.stdout.splitlines()) == SEEN
    assert start(f"--recovery={here}", "flux kvs get a; flux startlog").stdout.startswith("2\n")
    assert sorted(os.listdir(left)) == ["dump.tar", "state"]
    go_on = "for id in $(flux jobs -no {id}); do flux job urgency $id 16; done; flux queue drain"
    start(f"-Sstatedir={here}", go_on)
    assert sorted(os.listdir(left)) == ["allocated", "dump.tar", "held", "state"]


def test_a_person_is_told_where_she_is(left: pathlib.Path) -> None:
    words = [str(default_flux()), "start", f"--recovery={left}/dump.tar"]
    with on_terminal(words, {**os.environ, "SHELL": "/bin/sh", "PS1": "$ "}) as shell:
        shown = shell.until("Exit this shell when finished.")
        shell.send("exit\n")
        code, _ = shell.end()
    assert code == 0
    assert "| Entering Flux recovery mode." in shown
    assert "| statedir           changes will not be preserved" in shown


def test_modules_that_cannot_be_loaded_are_left_out(left: pathlib.Path) -> None:
    script = "flux module list | grep -c resource; flux kvs get a"
    state = f"{left}/broken"
    start(f"-Sstatedir={state}", "flux kvs put resource.R=x a=3")
    done = start(f"--recovery={state}", script, code=1)
    assert done.stdout == "0\n3\n"
    assert "resource: error parsing resource.R of the KVS: no valid R" in done.stderr


def test_what_is_nothing_to_start_from(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text("no archive")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "content.sqlite").write_text("no store")
    for target, reason in [
        (f"{tmp_path}/nosuch", f"{tmp_path}/nosuch: No such file or directory"),
        (f"{tmp_path}", f"{tmp_path}/content.sqlite: No such file or directory"),
        ("", ": No such file or directory"),
    ]:
        done = start(f"--recovery={target}", "echo run", code=1)
        assert (done.stdout, done.stderr) == ("", f"flux-start: {reason}\n")
    done = start(f"--recovery={tmp_path}/text", "echo run", code=1)
    assert (done.stdout, "is not a whole archive" in done.stderr) == ("", True)
    done = start(f"--recovery={tmp_path}/state", "echo run", code=1)
    assert (done.stdout, "is not a content store" in done.stderr) == ("", True)
    assert (tmp_path / "state" / "content.sqlite").read_text() == "no store"
