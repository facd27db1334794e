"""Tasks of files: their ranks and needs, their order, what a failure does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.modprobe import CodeTask, Modprobe, ModuleList, TaskDB, rank_conditional, task
from flux.testing.scripted import ScriptedFlux

if TYPE_CHECKING:
    from pathlib import Path

    from flux.core.handle import Flux

DEADLINE = 30.0


class Scripted(ScriptedFlux):
    """A broker of rank 1 with a configuration, to which each thread connects."""

    def __init__(self) -> None:
        mods = [{"name": "kvs", "services": []}, {"name": "sched-x", "services": ["sched"]}]
        script = {"config.get": lambda _: {"a": {"b": 1}}, "module.list": lambda _: {"mods": mods}}
        super().__init__(script, {"rank": "1", "size": "4", "mine": "x"})

    def close(self) -> None:
        """Nothing to close."""


def broker() -> Flux:
    return cast("Flux", Scripted())


@pytest.fixture
def probe() -> Modprobe:
    """Tasks on rank 1."""
    return Modprobe(connect=broker)


def nothing(_context: object) -> None:
    """Do nothing."""


def add(probe: Modprobe, name: str, **kwargs: Any) -> None:
    probe.add_active_task(CodeTask(name, nothing, **kwargs))


@pytest.mark.parametrize(
    ("text", "ranks"),
    [("all", [0, 1, 2, 3]), ("0", [0]), ("1-2", [1, 2]), (">1", [2, 3]), ("<2", [0, 1])],
)
def test_ranks_are_ids_or_a_comparison(text: str, ranks: list[int]) -> None:
    found = rank_conditional(text)
    assert [rank for rank in range(4) if found.test(rank)] == ranks
    assert str(found) == text


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"nope": 1}, "x: unknown task argument nope"),
        ({"ranks": "y"}, "ranks: invalid idset: y"),
        ({"ranks": ">y"}, "invalid literal"),
        ({"after": "one"}, "x: after is a list of names"),
        ({"needs": 3}, "x: needs is a list of names"),
    ],
)
def test_what_a_task_cannot_ask_for_is_refused(kwargs: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        task("x", **kwargs)(nothing)


def test_a_task_is_enabled_where_what_it_needs_is_there(
    probe: Modprobe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERE", "1")
    monkeypatch.delenv("GONE", raising=False)
    add(probe, "rank", ranks="1")
    add(probe, "other-rank", ranks="0")
    add(probe, "attrs", needs_attrs=["mine", "!nosuch"])
    add(probe, "no-attrs", needs_attrs=["nosuch"])
    add(probe, "config", needs_config=["a.b"])
    add(probe, "no-config", needs_config=["a.c"])
    add(probe, "env", needs_env=["HERE"])
    add(probe, "no-env", needs_env=["GONE"])
    add(probe, "off", disabled=True)
    add(probe, "needs", needs=["rank"])
    add(probe, "needs-too-much", needs=["needs", "no-env"])
    add(probe, "needs-nobody", needs=["nobody"])
    assert probe.solve() == ["rank", "attrs", "config", "env", "needs"]
    probe.taskdb.enable("off")
    assert "off" in probe.solve()


def test_what_a_task_requires_runs_too(probe: Modprobe) -> None:
    probe.add_task(CodeTask("low", nothing, provides=["service"], priority=1))
    probe.add_task(CodeTask("high", nothing, provides=["service"], requires=["more"]))
    probe.add_task(CodeTask("more", nothing))
    probe.add_task(CodeTask("unused", nothing))
    add(probe, "top", requires=["service"], after=["service"])
    assert probe.active_tasks == ["top"]
    assert probe.solve() == ["top", "high", "more"]
    assert probe.get_deps(probe.solve())["top"] == ["high"]
    probe.set_alternative("service", "low")
    assert probe.solve() == ["top", "low"]
    assert probe.get_task("service") is probe.get_task("low")
    probe.disable("service")
    assert probe.solve() == ["top"]
    assert (probe.has_task("nobody"), probe.get_task("nobody")) == (False, None)
    add(probe, "lost", requires=["nobody"])
    with pytest.raises(ValueError, match="no such task or module nobody"):
        probe.solve()


def test_services_have_tasks_that_may_be_disabled() -> None:
    tasks = TaskDB()
    tasks.add(CodeTask("a", nothing, provides=["s"]))
    tasks.add(CodeTask("b", nothing, provides=["s"]))
    assert tasks.get("s").name == "b"
    tasks.disable("s")
    assert [one.disabled for one in tasks.get_all("s")] == [True, True]
    with pytest.raises(ValueError, match="no module c provides s"):
        tasks.set_alternative("s", "c")


def test_tasks_come_before_and_after_others(probe: Modprobe) -> None:
    add(probe, "last", after=["*"])
    add(probe, "also-last", after=["*"])
    add(probe, "one")
    add(probe, "two", after=["one", "absent"])
    add(probe, "half", before=["two"], after=["one"])
    add(probe, "first", before=["*"])
    assert probe.get_deps(probe.solve()) == {
        "last": ["first", "half", "one", "two"],
        "also-last": ["first", "half", "one", "two"],
        "one": ["first"],
        "two": ["first", "half", "one"],
        "half": ["first", "one"],
        "first": [],
    }


def test_a_circle_is_named(probe: Modprobe) -> None:
    add(probe, "a", after=["b"])
    add(probe, "b", after=["a"])
    with pytest.raises(ValueError, match=r"tasks wait for each other: . → . → ."):
        probe.get_deps(probe.solve())


FILE = """
from flux.modprobe import task

def setup(context):
    context.set("from-setup", 1)

@task("one")
def one(context):
    context.set("words", [context.rank, context.attr_get("size"), context.attr_get("no", "d"),
                          context.conf_get("a.b"), context.conf_get("a.x", 5),
                          context.get("from-setup"), context.rpc("config.get")["a"]["b"]])
    context.setenv("FROM_ONE", "1")
    context.setenv({"ALSO": "2"})

@task("two", after=["one"])
def two(context):
    context.bash('test "$FROM_ONE$ALSO" = 12 && echo out > two.txt')
    context.print("in two")
"""


def test_tasks_of_a_file_work_with_their_context(
    probe: Modprobe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FROM_ONE", "ALSO"):
        monkeypatch.setenv(name, "")
    (tmp_path / "tasks.py").write_text(FILE)
    probe.read_rcfile("tasks.py")
    assert probe.run(probe.get_deps(probe.solve())) == 0
    assert probe.context.get("words") == [1, "4", "d", 1, 5, 1, 1]
    assert (tmp_path / "two.txt").read_text() == "out\n"
    assert capfd.readouterr().out == ""


def test_what_comes_after_a_failure_does_not_run(
    probe: Modprobe, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def fails(_context: object) -> None:
        raise ValueError("bad")

    probe.add_active_task(CodeTask("fails", fails))
    probe.add_active_task(CodeTask("next", lambda _: done.append("next"), after=["fails"]))
    probe.add_active_task(CodeTask("other", lambda _: done.append("other")))
    probe.add_active_task(CodeTask("shell", lambda context: context.bash("exit 3")))
    assert probe.run(probe.get_deps(probe.solve())) == 1
    assert done == ["other"]
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "fails: bad",
        "shell: bash: exited with exit status 3",
    ]


def test_tasks_that_do_not_wait_for_each_other_run_at_once(probe: Modprobe) -> None:
    both = threading.Barrier(2, timeout=DEADLINE)
    for name in ("one", "two"):
        probe.add_active_task(CodeTask(name, lambda _: both.wait()))
    assert probe.run(probe.get_deps(probe.solve())) == 0


def test_a_dry_run_tells_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    probe = Modprobe(dry_run=True, connect=broker)
    add(probe, "two", after=["one"])
    add(probe, "one")
    assert probe.run(probe.get_deps(probe.solve())) == 0
    assert capsys.readouterr().out == "run one\nrun two\n"


def test_a_verbose_run_tells_what_happens(capsys: pytest.CaptureFixture[str]) -> None:
    probe = Modprobe(verbose=True, connect=broker)
    add(probe, "one")
    probe.run({"one": []})
    assert capsys.readouterr().out == "start one\ncompleted one\n"


def test_modules_are_found_by_name_and_service() -> None:
    found = ModuleList(broker())
    assert list(found) == ["kvs", "sched-x"]
    assert [found.lookup(name) for name in ("kvs", "sched", "no")] == ["kvs", "sched-x", None]


def test_the_command_tells_where_a_file_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fluxctl.main import invoke

    path = tmp_path / "tasks.py"
    path.write_text("from flux.modprobe import task\n@task('a', nope=1)\ndef a(context): pass\n")
    assert invoke("modprobe", ["run", str(path)]) == 1
    told = capsys.readouterr().err
    assert told == f"flux-modprobe: ERROR: a: unknown task argument nope ({path}, line 2)\n"
