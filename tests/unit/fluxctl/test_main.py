"""The `flux` command itself: finding sub-commands, options before them, failures."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux
from fluxctl import main
from fluxctl.command import instance_hint
from fluxctl.errors import ReaderGone
from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    import pathlib

UNLISTED = {
    "R",
    "admin",
    "fortune",
    "heaptrace",
    "job-exec-override",
    "job-validator",
    "help",
    "jobspec",
    "jobtap",
    "lptest",
    "multi-prog",
    "pmi",
    "post-job-event",
    "python",
    "relay",
    "shell",
}
"""Commands that ``flux help`` of flux-core does not name either."""


def flux(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("FLUX_")
    } | env
    return subprocess.run(
        [default_flux(), *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(folder: pathlib.Path, name: str, text: str, mode: int = 0o755) -> pathlib.Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_an_external_command_on_the_exec_path(tmp_path: pathlib.Path) -> None:
    script(tmp_path, "flux-greet", '#!/bin/sh\necho "greet $*"; exit 4\n')
    done = flux("greet", "a", "b", FLUX_EXEC_PATH=f"/nonexistent:{tmp_path}")
    assert (done.returncode, done.stdout) == (4, "greet a b\n")


def test_a_python_file_is_an_external_command_too(tmp_path: pathlib.Path) -> None:
    script(tmp_path, "flux-py.py", "import sys; print(sys.argv[1:])\n", 0o644)
    assert flux("py", "x", FLUX_EXEC_PATH=str(tmp_path)).stdout == "['x']\n"


def test_built_in_commands_win_unless_a_path_is_prepended(tmp_path: pathlib.Path) -> None:
    script(tmp_path, "flux-version", "#!/bin/sh\necho mine\n")
    assert flux("version", FLUX_EXEC_PATH=str(tmp_path)).stdout.startswith("commands:")
    assert flux("version", FLUX_EXEC_PATH_PREPEND=str(tmp_path)).stdout == "mine\n"


def test_a_command_with_a_slash_is_run_directly(tmp_path: pathlib.Path) -> None:
    path = script(tmp_path, "anything", "#!/bin/sh\necho direct $1\n")
    assert flux(str(path), "1").stdout == "direct 1\n"
    done = flux("/nonexistent/x")
    assert (done.returncode, done.stderr) == (
        1,
        "flux: `/nonexistent/x' is not a flux command.  See 'flux --help'\n",
    )


def test_an_unknown_command_suggests_the_nearest() -> None:
    assert (
        flux("nosuchcmd").stderr == "flux: `nosuchcmd' is not a flux command.  See 'flux --help'\n"
    )
    done = flux("getatr")
    assert done.returncode == 1
    assert "did you mean 'getattr'?" in done.stderr


def test_help_lists_commands_that_exist() -> None:
    done = flux("help")
    assert done.returncode == 0
    assert done.stderr == flux("-h").stderr
    rows = done.stderr.partition("flux-core:\n")[2].splitlines()
    listed = {line.split()[0] for line in rows if line.startswith("   ")}
    renamed = {"get": "getattr", "set": "setattr"}
    names = {part for row in listed for part in re.split("[,/]", row)}
    assert {renamed.get(name, name) for name in names} == set(COMMANDS) - UNLISTED


def fake_man(folder: pathlib.Path) -> dict[str, str]:
    """A man(1) that says what it is asked for and ends with 16."""
    folder.mkdir()
    script(folder, "man", '#!/bin/sh\necho "$MANPATH $*"\nexit 16\n')
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("topic", "page"),
    [
        ("ping", "flux-ping"),
        ("nosuch", "flux-nosuch"),
        ("flux_open", "flux_open"),
        ("flux", "flux"),
    ],
)
def test_help_is_the_manual_page(tmp_path: pathlib.Path, topic: str, page: str) -> None:
    done = flux("help", topic, **fake_man(tmp_path / "bin"))
    path, _, asked = done.stdout.strip().partition(" ")
    assert (done.returncode, asked) == (16, f"-- {page}")
    assert os.path.isfile(f"{path.split(':')[0]}/man1/flux-ping.1")


def test_help_without_man_shows_the_options(tmp_path: pathlib.Path) -> None:
    assert "--interval" in flux("help", "ping", PATH=str(tmp_path)).stdout
    assert flux("help", "nosuch", PATH=str(tmp_path)).returncode == 1
    assert "--treeobj" in flux("help", "kvs", "get").stdout


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man(1)")
def test_man_shows_our_pages() -> None:
    done = flux("help", "ping", LANG="C.UTF-8")
    assert done.returncode == 0, done.stderr
    assert "--interval" in done.stdout
    assert "No manual entry for flux-nosuch" in flux("help", "nosuch").stderr


def test_other_packages_add_to_the_list(tmp_path: pathlib.Path) -> None:
    rows = [
        {"category": "sched", "command": "fly", "description": "take off"},
        {"category": "core", "command": "walk", "description": "go"},
    ]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    (tmp_path / "two.json").write_text("[1]")
    done = flux("help", FLUX_CMDHELP_PATTERN=f"{tmp_path}/*.json")
    assert "\n\nCommon commands from flux-sched:\n   fly                take off\n" in done.stderr
    assert "   walk               go\n" in done.stderr
    assert f"flux: {tmp_path}/two.json: not a readable list of commands\n" in done.stderr


def test_bad_options() -> None:
    done = flux("--nosuch")
    assert (done.returncode, done.stderr) == (
        1,
        "flux: unrecognized option '--nosuch'\nTry `flux --help' for more information.\n",
    )
    done = flux("getattr", "--bad")
    assert (done.returncode, done.stderr) == (
        1,
        "flux-getattr: unrecognized option '--bad'\n"
        "Try `flux-getattr --help' for more information.\n",
    )


@pytest.mark.parametrize(
    "words", [("getattr", "size"), ("ping", "kvs"), ("event", "pub", "x"), ("dmesg",), ("lsattr",)]
)
def test_without_an_instance_one_sentence(words: tuple[str, ...]) -> None:
    done = flux(*words)
    assert (done.returncode, done.stderr) == (1, "flux: flux_open: No such file or directory\n")


def test_version_outside_an_instance() -> None:
    lines = [line.split(":")[0] for line in flux("-V").stdout.splitlines()]
    assert lines == ["commands", "libflux-core", "build-options"]


def test_env_runs_a_command_and_reports_a_missing_one() -> None:
    assert flux("env", "printenv", "MINE", MINE="1").stdout == "1\n"
    done = flux("env", "nosuchprogram")
    assert (done.returncode, done.stderr) == (
        127,
        "flux-env: nosuchprogram: No such file or directory\n",
    )


def test_a_list_of_commands_says_its_sentences_to_the_end() -> None:
    shown = flux("kvs", "--help").stdout
    assert "getroot" in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_a_person_outside_an_instance_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")
    monkeypatch.delenv("FLUX_URI", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "flux start" in instance_hint(gone)
    assert "FLUX_URI" in instance_hint(gone)
    monkeypatch.setenv("FLUX_URI", "local:///gone")
    assert "no broker answers at local:///gone" in instance_hint(gone)
    assert instance_hint(PermissionError(errno.EPERM, "no")) == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert instance_hint(gone) == ""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ReaderGone(errno.EPIPE, "gone"), 141, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "flux-start: Broken pipe\n"),
    ],
)
def test_a_peer_that_has_gone_is_not_taken_for_the_reader_of_the_output(
    error: OSError,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("fluxctl.start.start", fail)
    monkeypatch.setattr("fluxctl.streams.discard_output", lambda: None)
    monkeypatch.setattr("fluxctl.streams.prepare", lambda: None)
    monkeypatch.setattr("os._exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        main.main(["start"])
    assert ended.value.code == code
    assert capsys.readouterr().err == told
