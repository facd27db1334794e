"""``flux shell``: its options, and what only built-in plugins see (flux-shell(1))."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from broker.shell.startup import load
from fluxctl.main import invoke
from tests.unit.broker.shell.shells import shell

if TYPE_CHECKING:
    from pathlib import Path

    Output = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jobspec and an R, in the files of `FILES`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    core = {"type": "core", "count": 1}
    spec = {
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [core]}],
        "tasks": [{"command": ["echo", "ran"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"environment": {"PATH": os.environ["PATH"]}}},
        "version": 1,
    }
    lite = [{"rank": "0", "children": {"core": "0"}}]
    (tmp_path / "spec").write_text(json.dumps(spec))
    (tmp_path / "R").write_text(json.dumps({"version": 1, "execution": {"R_lite": lite}}))


FILES = ("-s", "-j", "spec", "-R", "R")


def exit_code(*arguments: str) -> int:
    """The code with which ``flux shell`` ends, for a job of the number 77."""
    with pytest.raises(SystemExit) as ended:
        invoke("shell", [*arguments, "77"])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_its_options(option: str, capsys: Output) -> None:
    assert invoke("shell", [option]) == 0
    shown = capsys.readouterr().out
    for name in ("--verbose", "--initrc", "--resources", "--jobspec", "--standalone", "JOBID"):
        assert name in shown


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "options",
    [["-s", "-j", "spec", "-R", "R"], ["--standalone", "--jobspec=spec", "--resources=R"]],
)
def test_a_job_from_files(options: tuple[str, ...], capfd: Output) -> None:
    assert exit_code(*options) == 0
    assert capfd.readouterr().out == "0: ran\n"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose(option: str, capfd: Output) -> None:
    assert exit_code(*FILES, option) == 0
    assert "flux-shell: DEBUG: task 0 complete status=0" in capfd.readouterr().err


@pytest.mark.usefixtures("files")
def test_an_initrc(tmp_path: Path, capfd: Output) -> None:
    (tmp_path / "rc.py").write_text("def flux_plugin_init(shell, conf): shell.log('read')\n")
    assert exit_code(*FILES, f"--initrc={tmp_path}/rc.py") == 0
    assert "flux-shell: rc: read" in capfd.readouterr().err
    assert exit_code(*FILES, "--initrc=nosuch.py") == 1
    assert "loading rc file nosuch.py: No such file or directory" in capfd.readouterr().err


def test_connect_is_for_built_in_plugins(tmp_path: Path) -> None:
    (tmp_path / "all.py").write_text(
        "def flux_plugin_init(shell, conf):\n"
        "    shell.add_handler('*', lambda shell, topic, args: shell.setopt('first', topic))\n"
    )
    context, _ = shell(options={"userrc": str(tmp_path / "all.py")})
    called: list[str] = []

    class Early:
        name = "early"

        def shell_connect(self) -> None:
            called.append("shell.connect")

    context.plugins.load(Early())
    load(context)
    assert called == ["shell.connect"]
    assert context.option("first") is None
