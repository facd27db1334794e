"""`flux modprobe` and the broker's modules: what they require, what is loaded and unloaded when."""

from __future__ import annotations

import errno
import importlib
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux import modprobe_context
from flux.modprobe_modules import ModuleProbe
from flux.modules import CONNECTOR, MODULES
from flux.testing.scripted import ScriptedFlux
from fluxctl import main

if TYPE_CHECKING:
    from flux.core.handle import Flux


class _Handle(ScriptedFlux):
    def close(self) -> None:
        """Nothing to close."""


class Broker:
    """A broker whose modules come and go; it refuses to load what is called in ``bad``."""

    def __init__(self, rank: int, *loaded: str) -> None:
        self.rank = rank
        self.loaded = [*loaded]
        self.bad = ""
        self.config: dict[str, Any] = {}
        self.attributes = {"content.backing-module": "content-sqlite"}

    def connect(self) -> Flux:
        """Return a connection, of which each thread has one."""
        script = {
            "module.list": self._list,
            "module.load": self._load,
            "module.remove": self._remove,
            "config.get": lambda _: self.config,
        }
        attributes = self.attributes | {"rank": str(self.rank), "size": "4"}
        return cast("Flux", _Handle(script, attributes))

    def _list(self, _: object) -> dict[str, Any]:
        names = [name for name in self.loaded if name in MODULES]
        mods = [{"name": name, "services": [*MODULES[name].provides]} for name in names]
        return {"mods": [*mods, {"name": CONNECTOR, "services": []}]}

    def _load(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["path"] == self.bad:
            raise OSError(errno.EEXIST, "File exists")
        for service in MODULES[payload["path"]].requires:
            assert service in self.loaded or self.rank, f"{payload} before {service}"
        assert payload["args"] == [*MODULES[payload["path"]].args]
        self.loaded.append(payload["path"])
        return {}

    def _remove(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.loaded.remove(payload["name"])
        for name in self.loaded:
            assert payload["name"] not in MODULES[name].requires, f"{payload} before {name}"
        return {}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker of rank 0, with all that rc1 loads."""
    found = Broker(0, *_rc1())
    monkeypatch.setattr(modprobe_context, "_connect", lambda: found.connect())
    return found


def _rc1() -> list[str]:
    return [name for name, module in MODULES.items() if not module.on_demand and not module.table]


def _run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Return the exit code, what was printed and what was said."""
    code = main.invoke("modprobe", [*args])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_table_says_which_services_a_module_offers() -> None:
    for name, module in MODULES.items():
        service = getattr(importlib.import_module(module.source), module.target.partition(":")[2])
        others = (*service.also, *getattr(service, "unlisted", ()))
        offered = {one for one in others if "." not in one}  # not a part of another's service
        assert offered == set(module.provides), name


def test_rc1_loads_what_a_module_uses_before_it() -> None:
    for name in ("kvs", "job-manager", "job-info", "job-list", "sched-simple", "job-archive"):
        before = [*MODULES][: [*MODULES].index(name)]
        services = {*before, *(one for other in before for one in MODULES[other].provides)}
        assert {*MODULES[name].requires, *MODULES[name].after} <= services, name


@pytest.mark.usefixtures("broker")
def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "show", "sched")
    assert code == 0
    shown = json.loads(out)
    assert out == json.dumps(shown) + "\n"
    assert [*shown] == [
        *("name", "module", "args", "ranks", "provides", "requires", "needs", "before", "after"),
        *("priority", "disabled", "exec"),
    ]
    assert shown["name"] == "sched-simple"
    assert shown["ranks"] == "0"
    _, out, _ = _run(capsys, "show", "-S", "content-backing=content-files", "content-backing")
    assert json.loads(out)["name"] == "content-files"
    _, out, _ = _run(capsys, "show", "-D", "sched", "sched-simple")
    assert json.loads(out)["disabled"] is True


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["show", "bogus"], "no such task or module bogus"),
        (["show", "-S", "sched=kvs", "sched"], "no module kvs provides sched"),
        (["show", "-S", "sched", "sched"], "--set-alternative=sched: expected NAME=MODULE"),
        (["list-dependencies", "-D", "bogus", "kvs"], "no such task or module bogus"),
        (["load", "job-list", "bogus"], "no such task or module bogus"),
        (
            ["load", "job-archive"],
            "job-archive: it runs if the configuration has the table [archive]",
        ),
        (["remove", "bogus"], "module bogus is not loaded"),
        (["remove", CONNECTOR], f"module {CONNECTOR} is not loaded"),
        (["remove", "heartbeat"], "heartbeat still in use by cron"),
        (["remove", "resource", "sched"], ""),
        (["remove", "job-list", "kvs-watch"], "kvs-watch still in use by job-info"),
    ],
)
def test_what_is_refused(
    args: list[str], told: str, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(capsys, *args)
    assert (code, out) == (1 if told else 0, "")
    assert err == (f"flux-modprobe: ERROR: {told}\n" if told else "")
    if told:
        assert broker.loaded == _rc1()


@pytest.mark.usefixtures("broker")
def test_list_dependencies(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "list-dependencies", "job-info")[1].splitlines() == [
        "job-info",
        "├── kvs",
        "├── kvs-watch",
        "└── job-manager",
    ]
    assert _run(capsys, "list-dependencies", "-f", "job-info")[1].splitlines() == [
        "job-info",
        "├── kvs",
        "├── kvs-watch",
        "│   └── kvs",
        "└── job-manager",
        "    └── kvs",
    ]
    told = json.loads(_run(capsys, "list-dependencies", "--json", "job-info")[1])
    assert told == {"job-info": {"kvs": {}, "kvs-watch": {}, "job-manager": {}}}
    assert _run(capsys, "list-dependencies", "sched")[1].startswith("sched (sched-simple)\n")


def test_load_brings_what_is_required(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.loaded = ["content-sqlite"]
    code, out, _ = _run(capsys, "load", "--dry-run", "sched")
    assert (code, broker.loaded) == (0, ["content-sqlite"])
    lines = out.splitlines()
    assert (lines[0], lines[-1]) == ("load kvs", "load sched-simple")
    assert sorted(lines[1:-1]) == ["load job-manager", "load resource"]
    assert _run(capsys, "load", "sched") == (0, "", "")
    assert {*broker.loaded} == {"content-sqlite", "kvs", "job-manager", "resource", "sched-simple"}
    told = "flux-modprobe: INFO: All modules and dependencies are already loaded\n"
    assert _run(capsys, "load", "kvs", "sched") == (0, "", told)


def test_what_comes_after_a_failure_is_not_loaded(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.loaded, broker.bad = ["kvs"], "job-manager"
    code, _, err = _run(capsys, "load", "job-list")
    assert (code, err) == (1, "job-manager: [Errno 17] File exists\n")
    assert broker.loaded == ["kvs"]


def test_rc1_and_rc3(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "rc3") == (0, "", "")
    assert broker.loaded == []
    assert _run(capsys, "rc1") == (0, "", "")
    assert {*broker.loaded} == {*_rc1()}
    assert set(json.loads(_run(capsys, "rc1", "--show-deps")[1])) == {*_rc1()}
    broker.config = {"archive": {}}
    assert "job-archive" in json.loads(_run(capsys, "rc1", "--show-deps")[1])


def test_rc1_on_other_ranks_and_with_other_stores(broker: Broker) -> None:
    stores = {"content-files", "content-sqlite"}
    for store in (*sorted(stores), "none"):
        broker.attributes["content.backing-module"] = store
        chosen = ModuleProbe(connect=broker.connect).at_start()
        assert stores & {*chosen} == {store} - {"none"}
    follower = Broker(1)
    found = ModuleProbe(connect=follower.connect)
    here = [name for name in _rc1() if not MODULES[name].leader_only]
    assert found.at_start() == here
    assert [*found.missing(here)] == here
    with pytest.raises(ValueError, match=r"^sched-simple: it runs on rank 0 only$"):
        found.missing(["sched"])
