"""Each function and table of flux-shell(1), SHELL INITRC, one by one, in a whole shell.

``NAMES`` is what docs/coverage.md refers to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.unit.broker.shell.test_standalone import run

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("lupa")

TASK: Final = (
    'plugin.register{{name="t", handlers={{{{topic="{topic}", fn=function() {code} end}}}}}}'
)


def in_task(topic: str, code: str) -> str:
    """An initrc that runs ``code`` in a topic of each task."""
    return TASK.format(topic=topic, code=code)


EXIT: Final = "task.exit"
NAMES: Final = {
    "plugin.searchpath": (
        'plugin.searchpath = "/a" plugin.searchpath = plugin.searchpath + ":" + "/b" '
        "shell.log(plugin.searchpath)",
        "/a:/b",
    ),
    "plugin.load": (
        'plugin.load { file = shell.rcpath .. "/p*.py", conf = { value = "foo" } }',
        "conf is {'value': 'foo'}",
    ),
    "plugin.register": (
        'plugin.register { name = "test", handlers = { { topic = "*", '
        'fn = function (topic) if topic ~= "shell.log" then shell.log ("topic=" .. topic) end end '
        "} } }",
        "topic=shell.init",
    ),
    "source": ('source(shell.rcpath .. "/more*.lua")', "more was read"),
    "source_if_exists": (
        'source_if_exists("/nosuch/x.lua") source_if_exists(shell.rcpath .. "/more.lua")',
        "more was read",
    ),
    "shell.rcpath": ("shell.log(shell.rcpath)", "{tmp}"),
    "shell.getenv": ('shell.log(shell.getenv("MARK") .. shell.getenv().MARK)', "twotwo"),
    "shell.setenv": (
        'shell.setenv("MARK", "new") shell.setenv("MARK", "newer", 0) '
        'shell.setenv("MARK", "newest", false) shell.log(shell.getenv("MARK"))',
        "new",
    ),
    "shell.unsetenv": (
        'shell.unsetenv("MARK") shell.log(tostring(shell.getenv("MARK")))',
        "nil",
    ),
    "shell.options": (
        'shell.log(shell.options.given) shell.options["cpu-affinity"] = "per-task" '
        'shell.log(shell.options["cpu-affinity"])',
        "per-task",
    ),
    "shell.options.verbose": (
        'shell.options.verbose = 2 shell.debug("heard") shell.log(shell.options.verbose)',
        "heard",
    ),
    "shell.options.standalone": ("shell.log(tostring(shell.options.standalone))", "true"),
    "shell.info.jobid": ("shell.log(shell.info.jobid)", "12345"),
    "shell.info.rank": ("shell.log(shell.info.rank)", "0"),
    "shell.info.size": ("shell.log(shell.info.size)", "1"),
    "shell.info.ntasks": ("shell.log(shell.info.ntasks)", "2"),
    "shell.info.service": ("shell.log(shell.info.service)", r"re:\d+-shell-12345"),
    "shell.info.options.verbose": ("shell.log(tostring(shell.info.options.verbose))", "false"),
    "shell.info.options.standalone": (
        "shell.log(tostring(shell.info.options.standalone))",
        "true",
    ),
    "shell.info.jobspec": ("shell.log(shell.info.jobspec.tasks[1].command[1])", "sh"),
    "shell.info.R": ("shell.log(shell.info.R.execution.R_lite[1].children.core)", "0-1"),
    "shell.rankinfo": ("shell.log(shell.rankinfo.ntasks)", "2"),
    "shell.get_rankinfo": (
        "shell.log(shell.get_rankinfo().ntasks .. shell.get_rankinfo(0).ntasks)",
        "22",
    ),
    "shell.get_rankinfo.broker_rank": ("shell.log(shell.get_rankinfo(0).broker_rank)", "0"),
    "shell.get_rankinfo.ntasks": ("shell.log(shell.get_rankinfo(0).ntasks)", "2"),
    "shell.get_rankinfo.resources": ("shell.log(shell.get_rankinfo(0).resources.core)", "0-1"),
    "shell.log": ('shell.log("said")', "said"),
    "shell.debug": ('shell.options.verbose = 1 shell.debug("said")', "DEBUG: said"),
    "shell.log_error": ('shell.log_error("said")', "ERROR: said"),
    "shell.die": ('shell.die("said")', "FATAL: said"),
    "task.info": (in_task("task.init", 'shell.log("rank " .. task.info.rank)'), "rank 1"),
    "task.info.localid": (in_task("task.fork", "shell.log(task.info.localid)"), "1"),
    "task.info.rank": (in_task("task.fork", "shell.log(task.info.rank)"), "1"),
    "task.info.state": (in_task("task.fork", "shell.log(task.info.state)"), "Running"),
    "task.info.pid": (in_task("task.fork", 'shell.log("p" .. task.info.pid)'), r"re:p\d+"),
    "task.info.wait_status": (in_task(EXIT, "shell.log(task.info.wait_status)"), "1792"),
    "task.info.exitcode": (in_task(EXIT, "shell.log(task.info.exitcode)"), "7"),
    "task.info.signaled": (in_task(EXIT, 'shell.log("s" .. task.info.signaled)'), "s0"),
    "task.getenv": (
        in_task("task.init", 'shell.log(task.getenv("MARK"))'),
        "two",
    ),
    "task.setenv": (
        in_task("task.init", 'task.setenv("SEEN", "a") task.setenv("SEEN", "b", 0)'),
        "seen a",
    ),
    "task.unsetenv": (in_task("task.exec", 'task.unsetenv("UNSEEN")'), "seen none"),
}


@pytest.mark.parametrize("name", NAMES)
def test_each_name_does_what_the_page_says(tmp_path: Path, name: str) -> None:
    code, expected = NAMES[name]
    (tmp_path / "plug.py").write_text(
        "def flux_plugin_init(shell, conf): shell.log(f'conf is {conf}')\n"
    )
    (tmp_path / "more.lua").write_text('shell.log("more was read")\n')
    mark = 'if shell.getenv("MARK") == nil then shell.setenv("MARK", "two") end '
    (tmp_path / "init.lua").write_text(mark + 'shell.setenv("UNSEEN", "x")\n' + code)
    script = 'echo "seen ${SEEN-${UNSEEN-none}}"; exit 7'
    done = run(
        tmp_path, ["sh", "-c", script], 2, initrc=str(tmp_path / "init.lua"), given="as given"
    )
    lines = re.sub(r"(?m)^(flux-shell: |\d: )(\w+: )?", "", done.stderr + done.stdout).splitlines()
    whole = (done.stderr + done.stdout).replace("flux-shell: ", "").splitlines()
    expected = expected.replace("{tmp}", str(tmp_path))
    if expected.startswith("re:"):
        assert any(re.fullmatch(expected[3:], line) for line in lines), done.stderr
    else:
        assert expected in [*lines, *whole], done.stderr
    assert done.returncode == (1 if name == "shell.die" else 7)


OUTSIDE = ("task.info.rank", 'task.getenv("A")', 'task.setenv("A", "B")', 'task.unsetenv("A")')


@pytest.mark.parametrize("code", OUTSIDE)
def test_tasks_are_known_in_their_topics_only(tmp_path: Path, code: str) -> None:
    (tmp_path / "init.lua").write_text(f"local x = {code}")
    done = run(tmp_path, ["true"], initrc=str(tmp_path / "init.lua"))
    assert "attempt to access task outside of task. callback" in done.stderr
    assert done.returncode == 1


def test_topics_come_in_the_order_of_the_page(tmp_path: Path) -> None:
    code = NAMES["plugin.register"][0]
    (tmp_path / "init.lua").write_text(code)
    done = run(tmp_path, ["true"], initrc=str(tmp_path / "init.lua"))
    topics = re.findall(r"topic=(\S+)", done.stderr)
    in_task = topics.index("task.exec")  # which is logged by another process, at about that time
    assert in_task > topics.index("task.init")
    assert topics[:in_task] + topics[in_task + 1 :] == [
        "shell.init",
        "shell.post-init",
        "task.init",
        "task.fork",
        "shell.start",
        "task.exit",
        "shell.finish",
        "shell.exit",
    ]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('shell.setenv("A")', "wrong number of arguments"),
        ("shell.unsetenv()", "wrong number of arguments"),
        ('shell.getenv("A", "B", "C")', "wrong number of arguments"),
        ('plugin.register{name="x"}', "plugin.register: no handlers"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, code: str, text: str) -> None:
    (tmp_path / "init.lua").write_text(code)
    done = run(tmp_path, ["true"], initrc=str(tmp_path / "init.lua"))
    assert text in done.stderr
    assert "Bridge" not in done.stderr
    assert done.returncode == 1
