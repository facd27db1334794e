"""Shells without an instance: what they print and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from broker.shell.plugins.affinity import share
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
    argv = [sys.executable, "-c", boot, "shell", "-s", *files, "12345"]
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
        ('error("no way")', "ERROR: {0}:1: no way\nflux-shell: FATAL: loading rc file {0}"),
        ("io.write(nil)", "ERROR: {0}:1: bad argument #1 to 'write' (string expected, got nil)"),
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


HELLO = """
def flux_plugin_init(shell, conf):
    shell.add_handler("task.init", lambda shell, topic, args: begin(shell, conf))

def begin(shell, conf):
    shell.current_task().cmd.setenv("X", conf["value"])
"""


@pytest.mark.parametrize("load", ['{ file = "*.py", conf = { value = "y" } }', '"own.py"'])
def test_lua_loads_a_python_plugin(tmp_path: Path, load: str) -> None:
    pytest.importorskip("lupa")
    (tmp_path / "hello.py").write_text(HELLO)
    own = "def flux_plugin_init(shell, conf): shell.setenv('X', 'y')"
    (tmp_path / "own.py").write_text(own)
    (tmp_path / "i.lua").write_text(f"plugin.searchpath = shell.rcpath ; plugin.load {load}")
    done = run(tmp_path, ["sh", "-c", "echo $X"], initrc=str(tmp_path / "i.lua"))
    assert (done.stdout, done.stderr) == ("0: y\n", "")
    assert not list(tmp_path.glob("__pycache__"))


def test_an_initrc_may_be_python(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    (tmp_path / "rc.py").write_text(
        "import os\n"
        "def flux_plugin_init(shell, conf):\n"
        "    shell.searchpath += ':' + os.path.dirname(__file__)\n"
        "    shell.load('hello.py', {'value': 'from python'})\n"
        "    shell.setopt('userrc', 'user.py')\n"
    )
    (tmp_path / "user.py").write_text(
        "def flux_plugin_init(shell, conf):\n"
        "    jobid = shell.get_info()['jobid']\n"
        "    shell.log(f'{shell.name} of {jobid}')\n"
    )
    done = run(tmp_path, ["sh", "-c", "echo $X"], initrc="rc.py")
    assert (done.stdout, done.stderr) == ("0: from python\n", "flux-shell: user: user of 12345\n")


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ("x = 1", "plugin.load: {path}: no flux_plugin_init"),
        ("1 / 0", "bad: plugin.load: {path}: ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
        (
            "def flux_plugin_init(shell, conf): shell.nosuch()",
            "'ShellHandle' object has no attribute 'nosuch'",
        ),
        ("def flux_plugin_init(shell, conf): return -1", "flux_plugin_init: failed"),
        ("def flux_plugin_init(shell, conf): shell.die('no', 3)", "FATAL: bad: no"),
        ("def flux_plugin_init(shell, conf): shell.load('nosuch.py')", "nosuch.py: File not found"),
    ],
)
def test_a_bad_plugin_ends_the_job_with_its_reason(tmp_path: Path, plugin: str, text: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(plugin)
    done = run(tmp_path, ["true"], userrc=str(path))
    assert done.returncode == (3 if "die" in plugin else 1)
    assert text.format(path=path) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("topic", ["shell.init", "shell.post-init", "task.init", "task.exit"])
def test_a_handler_that_fails_ends_the_job(tmp_path: Path, topic: str) -> None:
    (tmp_path / "p.py").write_text(
        f"def flux_plugin_init(shell, conf):\n    shell.add_handler('{topic}', lambda *_: [][1])\n"
    )
    done = run(tmp_path, ["true"], userrc="p.py")
    assert done.returncode == 1
    assert f"ERROR: p: {topic}: IndexError: list index out of range" in done.stderr
    assert f"plugin 'p': {topic} failed" in done.stderr


EVERY = """
seen = []
def flux_plugin_init(shell, conf):
    shell.add_handler("*", note)
    shell.add_completion_ref("late")

def note(shell, topic, args):
    if topic == "shell.log":
        return
    if topic == "task.exec":
        shell.log_error("in the task")
    seen.append(topic)
    if topic == "shell.finish":
        shell.call_later(0.01, lambda: end(shell))
    if topic == "shell.exit":
        shell.log(" ".join(seen))

def end(shell):
    seen.append("late")
    shell.remove_completion_ref("late")
"""


def test_every_topic_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "every.py").write_text(EVERY)
    done = run(tmp_path, ["true"], userrc="every.py")
    seen = (
        "shell.init shell.post-init task.init task.fork shell.start task.exit"
        " shell.finish late shell.exit"
    )
    assert done.stderr.splitlines() == [
        "0: flux-shell: ERROR: every: in the task",
        "flux-shell: every: " + seen,
    ]


FILTER = """
def flux_plugin_init(shell, conf):
    shell.add_handler("task.init", begin)
    shell.add_handler("task.fork", late)

def begin(shell, topic, args):
    shell.current_task().channel_subscribe("stdout", lines)

def lines(task, channel):
    process = task.subprocess()
    while line := process.getline(channel):
        task.output(channel, line.upper())

def late(shell, topic, args):
    for stream in ("stdout", "stderr"):
        try:
            shell.current_task().channel_subscribe(stream, lines)
        except OSError as error:
            shell.log(error.strerror)
"""


def test_a_plugin_reads_the_output_of_a_task(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(FILTER)
    done = run(tmp_path, ["sh", "-c", "echo one; printf two; echo err >&2"], userrc="filter.py")
    assert done.stdout == "0: ONE\n0: TWO"
    assert sorted(done.stderr.splitlines()) == [
        "0: err",
        "flux-shell: filter: channel stderr has a subscriber",
        "flux-shell: filter: channel stdout has a subscriber",
    ]


def test_a_plugin_replaces_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "pmi.py").write_text(
        "def flux_plugin_init(shell, conf):\n    shell.add_handler('task.init', lambda *_: None)\n"
    )
    done = run(tmp_path, ["sh", "-c", "echo ${PMI_FD-none}"], userrc="pmi.py")
    assert done.stdout == "0: none\n"


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
