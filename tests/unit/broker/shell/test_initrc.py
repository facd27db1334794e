"""What a Lua initrc can do, in a shell without a process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from broker.shell.levels import ShellFatal
from broker.shell.startup import load
from tests.unit.broker.shell.shells import shell

if TYPE_CHECKING:
    from pathlib import Path

    from broker.shell.context import ShellContext

pytest.importorskip("lupa")


def ran(tmp_path: Path, code: str | bytes, **options: Any) -> tuple[ShellContext, list[str]]:
    """Return a shell that has run an initrc, and what it logged."""
    path = tmp_path / "init.lua"
    path.write_bytes(code.encode() if isinstance(code, str) else code)
    context, recorder = shell(2, 3, 1, options)
    context.initrc = str(path)
    load(context)
    context.peers.flush_entries()
    return context, re.findall(r'"message":"(.*?)"', recorder.log())


def logged(tmp_path: Path, code: str | bytes, **options: Any) -> list[str]:
    return ran(tmp_path, code, **options)[1]


def test_tables_become_lists_and_objects(tmp_path: Path) -> None:
    code = 'shell.options.a = {1, "x", {}} shell.options["b.c"] = {k = {true}} shell.options.n = 2'
    context, _ = ran(tmp_path, code)
    assert context.options == {"a": [1, "x", {}], "b": {"c": {"k": [True]}}, "n": 2}


def test_lists_and_objects_become_tables(tmp_path: Path) -> None:
    code = "local o = shell.options.o shell.log(o[2].x .. #o) shell.log(tostring(shell.options.q))"
    assert logged(tmp_path, code, o=[1, {"x": "y"}]) == ["y2", "nil"]


def test_a_plugin_gets_its_conf_as_json_has_it(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("def flux_plugin_init(shell, conf): shell.setopt('got', conf)")
    code = 'plugin.searchpath = shell.rcpath plugin.load{file="p.py", conf={n={1,2}, d={x=1}}}'
    assert ran(tmp_path, code)[0].options["got"] == {"n": [1, 2], "d": {"x": 1}}


def test_facts_of_ranks(tmp_path: Path) -> None:
    code = """
    local r = shell.rankinfo
    shell.log(r.resources.cores .. r.resources.core .. r.resources.gpus .. r.taskids .. r.ntasks)
    shell.log(shell.get_rankinfo(2).broker_rank .. tostring(shell.get_rankinfo(9)))
    shell.log(shell.info.rank .. shell.info.size .. shell.info.jobspec.tasks[1].command[1])
    """
    assert logged(tmp_path, code) == ["0-10-102-32", "2nil", "13true"]


@pytest.mark.parametrize(
    "code",
    [
        b'-- caf\xe9\nshell.setenv("X", "caf\xe9") shell.log("caf\xe9")',
        b'X = "caf\xe9" shell.setenv("X", X) shell.log(shell.getenv("X"))',
        b'local o = shell.options o.x = "caf\xe9" shell.setenv("X", o.x) shell.log(o.x)',
    ],
)
def test_text_of_lua_is_bytes(tmp_path: Path, code: bytes) -> None:
    context, messages = ran(tmp_path, code)
    assert context.env["X"] == "caf\udce9"
    assert messages == [r"caf\\xe9"]


def test_variables_and_words_that_are_bytes_reach_lua(tmp_path: Path) -> None:
    context, recorder = shell()
    context.env["Y\udce8"] = "\udce9"
    context.info.jobspec["tasks"][0]["command"] = ["echo", "\udce9"]
    path = tmp_path / "init.lua"
    path.write_bytes(
        b'for k, v in pairs(shell.getenv()) do if v == "\xe9" then shell.setenv("K", k) end end\n'
        b'if shell.info.jobspec.tasks[1].command[2] == "\xe9" then shell.setenv("W", "yes") end'
    )
    context.initrc = str(path)
    load(context)
    assert (context.env["K"], context.env["W"]) == ("Y\udce8", "yes")
    assert recorder.log("exec") == ""


@pytest.mark.parametrize("end", [b'error("caf\xe9")', b'shell.die("caf\xe9")', b'source("\xe9")'])
def test_bytes_in_errors(tmp_path: Path, end: bytes) -> None:
    with pytest.raises(ShellFatal):
        ran(tmp_path, end)


def test_a_message_with_a_percent_sign_is_one(tmp_path: Path) -> None:
    code = 'shell.log("100%") shell.log("%d of %s", 1, "2") shell.log(shell.rankinfo.ntasks)'
    assert logged(tmp_path, code) == ["100%", "1 of 2", "2"]


def test_the_verbosity_is_set_for_all_and_told(tmp_path: Path) -> None:
    code = """
    plugin.register{name="lg", handlers={
      {topic="shell.log*", fn=function(t) shell.setenv(t == "shell.log" and "L" or "S", t) end}}}
    shell.debug("unheard") shell.options.verbose = 2 shell.debug("heard")
    """
    context, messages = ran(tmp_path, code)
    assert messages == ["heard"]
    assert context.verbose == 2
    assert (context.env["L"], context.env["S"]) == ("shell.log", "shell.log-setlevel")


def test_paths_are_prepended_and_variables_stripped(tmp_path: Path) -> None:
    code = """
    shell.setenv("FOO_A", 1) shell.setenv("BAR_B", 2) shell.setenv("XFOO_", 3)
    shell.env_strip("^FOO_", "^BAR_")
    shell.prepend_path("P", "/a") shell.prepend_path("P", "/b")
    """
    assert ran(tmp_path, code)[0].env == {"A": "1", "XFOO_": "3", "P": "/b:/a"}


def test_files_beside_the_initrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("lua.d", "mpi", "more"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lua.d" / "b.lua").write_text('shell.log("b of " .. shell.rcpath:match("[^/]*$"))')
    (tmp_path / "lua.d" / "a.lua").write_text('shell.log("a")')
    (tmp_path / "more" / "c.lua").write_text('shell.log("c")')
    (tmp_path / "mpi" / "x@5.lua").write_text(
        'local o, v = shell.getopt_with_version("mpi") shell.log(o .. " " .. v)'
    )
    monkeypatch.setenv("FLUX_SHELL_RC_PATH", str(tmp_path / "more"))
    code = """
    shell.source_rcpath("*.lua") shell.source_rcpath_option("mpi")
    shell.source_rcpath_option("none") shell.log(shell.rcpath:match("[^/]*$") ~= "mpi" and "back")
    """
    assert logged(tmp_path, code, mpi="x@5") == ["a", "b of lua.d", "c", "x 5", "back"]


def test_the_users_file_comes_after_the_instances(tmp_path: Path) -> None:
    user = tmp_path / "user.lua"
    user.write_text('shell.setenv("WHO", shell.getenv("WHO") .. " user") LATE = EARLY')
    context, _ = ran(tmp_path, 'EARLY = 1 shell.setenv("WHO", "site")', userrc=str(user))
    assert context.env["WHO"] == "site user"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (None, "No such file or directory"),
        ("this is not lua", "'=' expected near 'is'"),
        ('source("nosuch.lua")', "source nosuch.lua: No such file or directory"),
        ('plugin.load("nosuch.py")', "plugin.load: nosuch.py: File not found"),
        ('plugin.load("init.lua")', "not a Python plugin"),
        ('plugin.register{name="x"}', "plugin.register: no handlers"),
        ("local i = task.info", "attempt to access task outside of task. callback"),
        ("shell.options.verbose = 'x'", "invalid literal"),
    ],
)
def test_a_bad_file_ends_the_job_with_its_reason(
    tmp_path: Path, code: str | None, text: str
) -> None:
    path = tmp_path / "init.lua"
    if code is not None:
        path.write_text(code)
    context, recorder = shell(options={"userrc": str(path)})
    context.pluginpath = str(tmp_path)
    with pytest.raises(ShellFatal, match="loading rc file") as fatal:
        load(context)
    context.peers.flush_entries()
    assert text in recorder.log() + fatal.value.message


def test_the_search_path_as_the_manual_extends_it(tmp_path: Path) -> None:
    code = """
    local path = "/b" plugin.searchpath = "/a" plugin.searchpath = plugin.searchpath + ':' + path
    shell.log(plugin.searchpath) shell.log(1 + "2") shell.log("3" + "4")
    """
    assert logged(tmp_path, code) == ["/a:/b", "3", "7"]


def test_a_handler_with_an_error_fails(tmp_path: Path) -> None:
    code = (
        'plugin.register{name="a", handlers={{topic="shell.init", fn=function() error("boo") end}}}'
    )
    context, _ = ran(tmp_path, code)
    with pytest.raises(OSError, match=r"lua plugin a: .*init.lua:1: boo"):
        context.plugins.call("shell.init")


def test_a_fatal_error_in_a_handler_keeps_its_text(tmp_path: Path) -> None:
    code = (
        'plugin.register{name="a", handlers={{topic="x", fn=function() shell.die("no %d", 7) end}}}'
    )
    context, _ = ran(tmp_path, code)
    with pytest.raises(ShellFatal, match=r"^no 7$"):
        context.plugins.call("x")


def test_a_plugin_with_the_name_of_a_built_in_one_replaces_it(tmp_path: Path) -> None:
    code = 'plugin.register{name="pmi", handlers={{topic="task.init", fn=function() end}}}'
    context, _ = ran(tmp_path, code)
    assert not context.plugins.is_builtin("pmi")
    assert context.plugins.is_builtin("output")


def test_built_in_plugins_read_options_that_an_initrc_sets(tmp_path: Path) -> None:
    context, _ = ran(tmp_path, 'shell.options.pmi = "off" shell.options["cpu-affinity"] = "off"')
    assert not context.plugins.is_builtin("pmi")
    assert not context.plugins.is_builtin("cpu-affinity")


def test_without_an_initrc_all_plugins_of_the_search_path_are_loaded(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(
            f"def flux_plugin_init(shell, conf): shell.setenv('{name.upper()}', shell.name)"
        )
    context, _ = shell()
    context.pluginpath = f"/nosuch:{tmp_path}"
    load(context)
    assert (context.env["A"], context.env["B"]) == ("a", "b")
