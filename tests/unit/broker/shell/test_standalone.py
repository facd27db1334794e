"""Shells without an instance: what they print and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from broker.shell.plugins.affinity import share
from broker.shell.plugins.output import render_path
from flux.wire.json import dumps

if TYPE_CHECKING:
    from pathlib import Path


def run(
    tmp_path: Path, command: list[str], ntasks: int = 1, **options: Any
) -> subprocess.CompletedProcess[str]:
    spec = {
        "resources": [
            {
                "type": "slot",
                "count": ntasks,
                "label": "task",
                "with": [{"type": "core", "count": 1}],
            }
        ],
        "tasks": [{"command": command, "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {
            "system": {
                "environment": {"PATH": os.environ["PATH"]},
                "shell": {"options": options},
                "cwd": str(tmp_path),
            }
        },
        "version": 1,
    }
    cores = {"rank": "0", "children": {"core": f"0-{ntasks - 1}"}}
    (tmp_path / "j.json").write_bytes(dumps(spec))
    (tmp_path / "R.json").write_bytes(dumps({"version": 1, "execution": {"R_lite": [cores]}}))
    files = ["-j", str(tmp_path / "j.json"), "-R", str(tmp_path / "R.json")]
    boot = "import sys; from fluxctl.main import main; main(sys.argv[1:])"
    argv = [sys.executable, "-c", boot, "shell", "-s", "-r", "0", *files, "12345"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=env)


def test_output_is_labelled(tmp_path: Path) -> None:
    done = run(tmp_path, ["sh", "-c", "echo task $FLUX_TASK_RANK"], 2)
    assert sorted(done.stdout.splitlines()) == ["0: task 0", "1: task 1"]
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.glob("jobtmp-*"))


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        (["sh", "-c", "exit 3"], 3, ""),
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (
            ["nosuch"],
            127,
            "flux-shell: FATAL: task 0: start failed: nosuch: No such file or directory\n",
        ),
        (["/etc"], 126, "flux-shell: FATAL: task 0: start failed: /etc: Permission denied\n"),
    ],
)
def test_exit_codes(tmp_path: Path, command: list[str], code: int, error: str) -> None:
    done = run(tmp_path, command)
    assert (done.returncode, done.stderr) == (code, error)


def test_the_largest_exit_code_wins(tmp_path: Path) -> None:
    assert run(tmp_path, ["sh", "-c", "exit $FLUX_TASK_RANK"], 3).returncode == 2


def test_limits_and_gpus_reach_the_task(tmp_path: Path) -> None:
    done = run(
        tmp_path, ["sh", "-c", "ulimit -n; echo $CUDA_VISIBLE_DEVICES"], rlimit={"nofile": 99}
    )
    assert done.stdout == "0: 99\n0: -1\n"


def test_an_initrc_changes_environment_and_options(tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    (tmp_path / "more.lua").write_text('shell.setenv("B", "two")')
    (tmp_path / "init.lua").write_text(
        """
        shell.setenv("A", shell.info.ntasks) ; shell.setenv("A", "kept", false) ; source("more.lua")
        source_if_exists("nosuch.lua")
        plugin.register { name = "p", handlers = {
          { topic = "task.*", fn = function (topic)
              if topic == "task.init" then task.setenv("C", "rank" .. task.info.rank) end end } } }
        shell.log("in %s", shell.options.standalone and "standalone" or "?")
        """
    )
    done = run(tmp_path, ["sh", "-c", "echo $A $B $C"], initrc=str(tmp_path / "init.lua"))
    assert (done.stdout, done.stderr) == ("0: 1 two rank0\n", "flux-shell: in standalone\n")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (
            "this is not lua",
            "ERROR: {0}: {0}:1: '=' expected near 'is'\nflux-shell: FATAL: loading rc file {0}",
        ),
        ('shell.die("no %s", "way")', "FATAL: no way"),
        ("local x = task.info", "ERROR: {0}: attempt to access task outside of task. callback"),
        ('source("nosuch.lua")', "ERROR: {0}: source nosuch.lua: No such file or directory"),
    ],
)
def test_bad_initrc(tmp_path: Path, script: str, error: str) -> None:
    pytest.importorskip("lupa")
    (tmp_path / "bad.lua").write_text(
        script
    )  # by a relative path: Lua shortens long ones in its messages
    done = run(tmp_path, ["true"], initrc="bad.lua")
    assert done.returncode == 1
    assert "flux-shell: " + error.format("bad.lua") in done.stderr


def test_a_python_plugin(tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    (tmp_path / "hello.py").write_text(
        "def flux_plugin_init(shell, conf):\n"
        "    def init(topic, task): task.env['X'] = conf['value']\n"
        "    shell.plugins.register('hello', 'task.init', init)\n"
    )
    (tmp_path / "i.lua").write_text(
        'plugin.searchpath = shell.rcpath ; plugin.load { file = "*.py", conf = { value = "y" } }'
    )
    done = run(tmp_path, ["sh", "-c", "echo $X"], initrc=str(tmp_path / "i.lua"))
    assert (done.stdout, done.stderr) == ("0: y\n", "")


def test_paths_name_the_job() -> None:
    assert (
        render_path("a-{{id}}-{{id.dec}}-{{jobid.hex}}{{x}}", 12345678)
        == "a-ƒ26GwX-12345678-0xbc614e{{x}}"
    )


@pytest.mark.parametrize(
    ("cores", "parts", "groups"),
    [
        ([0, 1, 2, 3], 2, [[0, 1], [2, 3]]),
        ([0, 1, 2], 2, [[0, 1], [2]]),
        ([5], 3, [[5], [5], [5]]),
        ([], 2, [[], []]),
    ],
)
def test_cores_are_shared_among_tasks(
    cores: list[int], parts: int, groups: list[list[int]]
) -> None:
    assert share(cores, parts) == groups
