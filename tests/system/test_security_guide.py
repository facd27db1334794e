"""Each command of docs/security.md prints what the page shows; guests are let into its instance."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.guide import commands, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = commands("security.md")


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with tempfile.TemporaryDirectory(prefix="s-") as folder:
        rundir = pathlib.Path(folder) / "run"
        rundir.mkdir(mode=0o711)
        options = f"-o,--setattr=rundir={rundir},--setattr=access.allow-guest-user=true"
        with running_instance(1, options) as running:
            yield running


def test_every_command_prints_what_the_page_shows(instance: Instance) -> None:
    assert len(COMMANDS) > 15
    environment = dict(instance.environment)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    for command, expected in COMMANDS:
        if command.startswith("export "):
            environment |= dict(word.split("=", 1) for word in command.split()[1:])
            continue
        done = subprocess.run(
            ["sh", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        wanted = expected.replace("root ", f"{user} ")
        assert matches(wanted, done.stdout), f"$ {command}\n{done.stdout}\nnot\n{wanted}"


def test_what_the_page_says_of_an_instance_without_guests() -> None:
    with running_instance(1) as closed:
        assert closed.run("getattr", "access.allow-guest-user").stdout == "false\n"
        assert os.stat(closed.rundir).st_mode & 0o077 == 0


def test_a_run_directory_that_others_can_write_is_refused(tmp_path: pathlib.Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    done = subprocess.run(
        ["flux", "start", f"-o,--setattr=rundir={open_to_all}", "true"],
        env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert str(open_to_all) in done.stderr
