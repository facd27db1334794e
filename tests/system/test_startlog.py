"""When an instance ran, over its restarts: ``flux startlog`` and the state directory."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from flux.testing.instance import default_flux

from .watching import PATIENCE

if TYPE_CHECKING:
    import pathlib

GUEST = "FLUX_HANDLE_USERID=4711 FLUX_HANDLE_ROLEMASK=2 flux startlog"
KILLED = "kill -9 $(flux getattr broker.pid)"
RUNNING = r"\d{4}-\d\d-\d\d \d\d:\d\d - running \([0-9.]+m?s\)"
ENDED = r"(\d{4}-\d\d-\d\d \d\d:\d\d) - (\d{4}-\d\d-\d\d \d\d:\d\d) \([0-9.]+m?s\)"


def start(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [default_flux(), "start", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def test_an_instance_that_goes_with_its_store_is_told_without_a_key() -> None:
    script = f"flux startlog; flux startlog -v; flux kvs ls; flux startlog --check; {GUEST}"
    done = start(script, code=1)
    plain, versioned, *keys, checked = done.stdout.splitlines()
    assert re.fullmatch(RUNNING, plain)
    assert re.fullmatch(rf" {{19}}0\.29\.0  {RUNNING}", versioned)
    assert re.fullmatch(RUNNING, checked)
    assert "admin" not in " ".join(keys).split()
    assert done.stderr.startswith("flux: Error fetching eventlog: Operation not permitted\n")


def test_restarts_with_a_state_directory(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    here = f"--setattr=statedir={state}"
    start(here, "true")
    start(here, "exit 3", code=3)
    start(here, KILLED, code=128 + signal.SIGKILL)
    again = "flux startlog; flux startlog --check --quiet || echo crashed before"
    lines = start(here, again).stdout.splitlines()
    for line, pattern in zip(lines, [ENDED, ENDED, ".* - crashed", RUNNING], strict=False):
        assert re.fullmatch(pattern, line)
    assert lines[4:] == ["crashed before"]
    script = "flux startlog --check --json; flux kvs eventlog get admin.eventlog"
    *runs, first, second = start(here, f"{script} | head -n2").stdout.splitlines()
    assert [json.loads(run)["crashed"] for run in runs] == [False, False, True, False, False]
    assert json.loads(runs[-1])["ended"] is None
    event = re.fullmatch(r"\S+ start (\{.*\})", first)
    assert event
    assert json.loads(event[1]) == {"version": 1, "core_version": "0.29.0"}
    assert re.fullmatch(r'\S+ finish \{"version":1\}', second)
    assert {path.name for path in state.iterdir()} == {"content.sqlite"}
    assert state.stat().st_mode & 0o777 == 0o700


def test_what_is_no_log_is_said(tmp_path: pathlib.Path) -> None:
    done = start(f"-Sstatedir={tmp_path}", "flux kvs put admin.eventlog=x; flux startlog", code=1)
    assert done.stderr.startswith("flux: Error decoding eventlog: Invalid argument\n")


def test_a_store_of_files_is_in_the_state_directory_too(tmp_path: pathlib.Path) -> None:
    words = (f"-Sstatedir={tmp_path}", "-Scontent.backing-module=content-files")
    start(*words, "flux kvs put a=1")
    assert start(*words, "flux kvs get a").stdout == "1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["content.files"]


def test_directories_that_are_none(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = start(f"-Sstatedir={file}", "true", code=1)
    assert done.stderr == f"flux-broker: statedir {file}: Not a directory\n"
    tmp_path.chmod(0o777)
    done = start(f"-Sstatedir={tmp_path}", "true", code=1)
    assert done.stderr == f"flux-broker: statedir {tmp_path} may be written by other users\n"


def test_an_archive_is_left_at_the_end_and_read_once(tmp_path: pathlib.Path) -> None:
    here, auto = f"-Sstatedir={tmp_path}", ("-Scontent.dump=auto", "-Scontent.restore=auto")
    start(here, *auto, "flux kvs put a=1")
    (archive,) = (tmp_path / "dump").glob("*.tgz")
    link = tmp_path / "dump" / "RESTORE"
    assert link.resolve() == archive
    (tmp_path / "content.sqlite").unlink()
    assert start(here, auto[1], "flux kvs get a").stdout == "1\n"
    assert not link.is_symlink()
    start(here, auto[1], "flux kvs put a=2")
    assert start(here, auto[1], "flux kvs get a").stdout == "2\n"
    assert start(f"-Scontent.restore={archive}", "flux kvs get a").stdout == "1\n"
