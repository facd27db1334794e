"""Files of a site for `flux modprobe`: where they are, what they say of modules, what is wrong with
them, and what the functions ``setup`` of their tasks ask for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from broker.site_rc import command_of
from flux import modprobe_site
from flux.modprobe import CodeTask, Modprobe, Module
from flux.modprobe_modules import ModuleProbe
from flux.testing.scripted import ScriptedFlux

if TYPE_CHECKING:
    from pathlib import Path

    from flux.core.handle import Flux

MINE = """\
[[modules]]
name = "mine"
module = "mine-file"
ranks = "0"
provides = ["sched"]
args = ["a=1"]
needs-attrs = ["size"]
priority = 200

[cron]
disabled = true

[resource]
args = ["noverify"]
"""
RC1 = """\
from flux.modprobe import task

@task("greet", after=["kvs"], needs=["kvs"])
def greet(context):
    print("greet", context.rank)

def setup(context):
    context.load_modules(["content-files"])
    context.setopt("resource", "b c")
    context.setopt("heartbeat", "period=1s", overwrite=True)
"""


class _Handle(ScriptedFlux):
    def close(self) -> None:
        """Nothing to close."""


class Broker:
    """A broker of rank 0 that notes what it loads and unloads."""

    def __init__(self, *loaded: str) -> None:
        self.loaded = [*loaded]
        self.config: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []

    def connect(self) -> Flux:
        """Return a connection, of which each thread has one."""
        mods = [{"name": name, "services": []} for name in self.loaded]
        script = {
            "module.list": lambda _: {"mods": mods},
            "module.load": self._note,
            "module.remove": self._note,
            "config.get": lambda _: self.config,
            "broker.getenv": lambda _: {"env": {"OF_THE_BROKER": "yes"}},
            "broker.setenv": self._note,
        }
        return cast("Flux", _Handle(script, {"content.backing-module": "content-sqlite"}))

    def _note(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(payload)
        return {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for files, which is the whole search path."""
    for name in ("modprobe.d", "rc1.d", "rc3.d"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine-file.py").write_text("")
    monkeypatch.setenv("FLUX_MODPROBE_PATH", str(tmp_path))
    monkeypatch.setenv("FLUX_MODULE_PATH", str(tmp_path))
    return tmp_path


def test_the_search_path() -> None:
    path = modprobe_site.search_path
    assert path({}) == ["/etc/fluxctl/modprobe"]
    assert path({"FLUX_MODPROBE_PATH": "/a:/b"}) == ["/a", "/b"]
    more = {"FLUX_MODPROBE_PATH_PREPEND": "/c:", "FLUX_MODPROBE_PATH_APPEND": "/d:/c"}
    assert path(more) == ["/c", "/etc/fluxctl/modprobe", "/d"]


def test_files_are_read_in_their_order(folder: Path) -> None:
    for name in ("modprobe.d/b.toml", "modprobe.d/a.toml", "modprobe.toml", "rc3.d/x.py"):
        (folder / name).write_text("")
    (folder / "modprobe.d/README").write_text("")
    found = [path.removeprefix(f"{folder}/") for path in modprobe_site.toml_files()]
    assert found == ["modprobe.toml", "modprobe.d/a.toml", "modprobe.d/b.toml"]
    assert modprobe_site.rc_files("rc3") == [str(folder / "rc3.d/x.py")]
    assert modprobe_site.rc_files("rc1") == []


def test_brokers_run_a_command_where_there_are_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [command_of(name) for name in ("rc1", "rc3")] == [None, None]
    (folder / "modprobe.toml").write_text("")
    assert [command_of(name) for name in ("rc1", "rc3")] == ["exec flux modprobe rc1", None]
    (folder / "rc3.d/x.py").write_text("")
    assert command_of("rc3") == "exec flux modprobe rc3"
    monkeypatch.delenv("FLUX_MODPROBE_PATH")
    monkeypatch.setattr("broker.site_rc.MODPROBE", str(folder / "nowhere"))
    assert command_of("rc1") is None


def test_files_describe_modules(folder: Path) -> None:
    (folder / "modprobe.d/mine.toml").write_text(MINE)
    probe = Modprobe(connect=Broker().connect).configure_modules()
    mine = probe.resolve_service("sched")
    assert isinstance(mine, Module)
    assert mine.to_dict() == {
        "name": "mine",
        "module": "mine-file",
        "args": ["a=1"],
        "ranks": "0",
        "provides": ["sched"],
        "requires": [],
        "needs": [],
        "before": [],
        "after": [],
        "priority": 200,
        "disabled": False,
        "exec": False,
    }
    assert mine.needs_attrs == ["size"]
    assert probe.taskdb.get("cron").disabled
    wanted = ModuleProbe(connect=Broker().connect).at_start()
    assert "mine" in wanted
    assert not {"cron", "sched-simple"} & set(wanted)
    (folder / "mine-file.py").unlink()
    wanted = ModuleProbe(connect=Broker().connect).at_start()
    assert "sched-simple" in wanted, "a module that is not here does not stand for another"
    assert "mine" not in wanted
    probe = ModuleProbe(connect=Broker().connect)
    probe.add_task(CodeTask("code", lambda _: None, provides=["sched"], priority=300))
    assert "sched-simple" in probe.at_start()
    with pytest.raises(ValueError, match="sched is not a module"):
        probe.missing(["sched"])


def test_the_configuration_describes_modules_too(folder: Path) -> None:
    (folder / "modprobe.toml").write_text(MINE)
    broker = Broker()
    broker.config = {
        "modules": {
            "alternatives": {"sched": "sched-simple"},
            "cron": {"disabled": False, "ranks": "0,1"},
        }
    }
    probe = ModuleProbe(connect=broker.connect)
    assert {"cron", "sched-simple"} <= set(probe.at_start())
    assert str(probe.module("cron").ranks) == "0,1"
    broker.config = {"modules": {"cron": {"nope": 1}}}
    with pytest.raises(ValueError, match="modules: cron: invalid config key nope"):
        ModuleProbe(connect=broker.connect)


def test_tasks_of_the_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "modprobe.d/mine.toml").write_text(MINE)
    (folder / "rc1.d/greet.py").write_text(RC1)
    broker = Broker("kvs", "barrier")
    probe = ModuleProbe(connect=broker.connect)
    probe.read_rcfile("rc1")
    assert probe.run(probe.missing(probe.at_start())) == 0
    assert capsys.readouterr().out == "greet 0\n"
    loaded = {payload["path"]: payload for payload in broker.seen}
    mine = str(folder / "mine-file.py")
    assert loaded[mine] == {
        "path": mine,
        "args": ["a=1"],
        "exec": False,
        "name": "mine",
    }
    assert loaded["resource"]["args"] == ["noverify", "b", "c"]
    assert loaded["heartbeat"]["args"] == ["period=1s"]
    assert "content-files" in loaded
    assert not {"kvs", "cron", "sched-simple"} & set(loaded)


def test_tasks_of_the_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "from flux.modprobe import task\n@task('bye', before=['kvs'])\ndef bye(c): print('bye')"
    (folder / "rc3.d/bye.py").write_text(text)
    broker = Broker("kvs", "resource", "strange")
    probe = ModuleProbe(connect=broker.connect)
    probe.at_end()
    probe.read_rcfile("rc3")
    deps = probe.get_deps(probe.solve())
    assert deps == {"kvs": ["bye", "resource"], "resource": [], "bye": []}
    assert probe.run(deps) == 0
    assert [payload["name"] for payload in broker.seen] == ["resource", "kvs"]
    assert capsys.readouterr().out == "bye\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[modules]\n", "Expected ']]' at the end of an array declaration"),
        ('[[modules]]\nname="x"\nfoo=1', "invalid modules entry: invalid config key foo"),
        ('[[modules]]\nranks="0"', "invalid modules entry: Missing required config key 'name'"),
        ('[[modules]]\nname="x"\nranks="zz"', "invalid modules entry: ranks: invalid idset: zz"),
        ('[[modules]]\nname="x"\nneeds="kvs"', "needs: expected a list of names"),
        ('[[modules]]\nname="x"\nafter=[1]', "after: expected a list of names"),
        ('[[modules]]\nname="x"\npriority=true', "priority: expected an integer"),
        ("[[modules]]\nname=5", "name: expected a string"),
        ('[nosuch]\nranks="0"', "no such task or module nosuch"),
        ("[kvs]\nfoo=1", "kvs: invalid config key foo"),
        ("[kvs]\ndisabled=1", "kvs: disabled: expected true or false"),
        ("x=1", "x: expected a table"),
        ("modules=1", "modules: expected [[modules]]"),
        ("\xff", "codec can't decode"),
    ],
)
def test_bad_files_are_told_with_the_key(folder: Path, text: str, said: str) -> None:
    path = folder / "modprobe.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        ModuleProbe(connect=Broker().connect)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.usefixtures("folder")
def test_what_setup_may_ask_for() -> None:
    broker = Broker("kvs", "connector-local")
    probe = Modprobe(connect=broker.connect).configure_modules()
    context = probe.context
    context.setopt("kvs", "a b")
    context.setopt("kvs", "c")
    assert context.getopts("kvs", ["own"], also=["cron", "nosuch"]) == ["own", "a", "b", "c"]
    context.setopt("kvs", "only", overwrite=True)
    context.setopt("kvs", "more")
    assert context.getopts("kvs", ["own"]) == ["only", "more"]
    assert context.getopts("nosuch", ["own"]) == ["own"]
    context.enable("job-archive")
    assert probe.solve(["job-archive"])[0] == "job-archive"
    assert probe.solve(["content-files"], ignore_disabled=True) == ["content-files"]
    context.set_alternative("content-backing", "content-files")
    assert probe.resolve_service("content-backing").name == "content-files"
    for name in ("nosuch", "kvs"):
        with pytest.raises(ValueError, match="provides sched"):
            context.set_alternative("sched", name)
    with pytest.raises(ValueError, match="nosuch"):
        context.load_modules(["nosuch"])
    context.remove_modules()
    assert probe.active_tasks == ["kvs"]
    with pytest.raises(FileExistsError, match="already loaded"):
        probe.load(["kvs"])
    probe.load(["resource"])
    assert [payload["path"] for payload in broker.seen] == ["resource"]
    probe.add_task(CodeTask("code", lambda _: None))
    with pytest.raises(ValueError, match="code is not a module"):
        probe.update_module("code", {})
    assert probe.get_requires(["resource", "kvs"]) == {"resource": ["kvs"], "kvs": []}
    assert probe.get_requires(["resource", "kvs"], reverse=True)["kvs"] == ["resource"]


def test_the_environment_is_also_the_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    context = Modprobe(connect=broker.connect).context
    monkeypatch.delenv("OF_THE_BROKER", raising=False)
    monkeypatch.setenv("GOES", "1")
    assert context.getenv("OF_THE_BROKER") == "yes"
    context.setenv({"GOES": None, "COMES": "1"})
    assert (context.getenv("GOES"), context.getenv("COMES")) == (None, "1")
    monkeypatch.delenv("COMES")
    assert broker.seen == [{"env": {"GOES": None, "COMES": "1"}}]
    with pytest.raises(ValueError, match="X: value must be a string or None"):
        context.setenv(cast("dict[str, str | None]", {"X": 5}))


def test_files_of_modules_are_searched_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own.py").write_text("")
    monkeypatch.setenv("FLUX_MODULE_PATH", f"/nowhere:{folder}")
    broker = Broker()
    probe = Modprobe(connect=broker.connect)
    probe.add_active_task(Module({"name": "own"}))
    probe.add_active_task(Module({"name": "lost"}))
    assert probe.run(probe.get_deps(probe.solve())) == 0
    assert sorted(payload["path"] for payload in broker.seen) == [str(folder / "own.py"), "lost"]
