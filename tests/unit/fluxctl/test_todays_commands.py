"""``flux submit`` and its like from their command lines: jobspecs, messages and exit codes in
today's spelling.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from fluxctl.main import invoke
from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

SUBMISSION = ("run", "submit", "bulksubmit", "batch", "alloc")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLUX_URI", raising=False)
    (tmp_path / "s.sh").write_text("#!/bin/sh\n")


def flux(line: str) -> int:
    name, *words = line.split()
    return invoke(name, words)


def spec(line: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """The jobspec of a command, without its environment."""
    name, *words = line.split()
    assert invoke(name, ["--dry-run", *words]) == 0, capsys.readouterr().err
    made = json.loads(capsys.readouterr().out)
    del made["attributes"]["system"]["environment"]
    return made


def slot(count: int, cores: int = 1, gpus: int = 0) -> dict[str, Any]:
    inner = [{"type": "core", "count": cores}]
    inner += [{"type": "gpu", "count": gpus}] if gpus else []
    return {"type": "slot", "count": count, "with": inner, "label": "task"}


def on_nodes(count: int, inner: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
    node = {"type": "node", "count": count, "with": [inner]}
    return node | ({"exclusive": True} if whole else {})


@pytest.mark.parametrize(
    ("options", "resources", "per_resource"),
    [
        ("-N2", on_nodes(2, slot(1), whole=True), None),
        ("-N2 -n4", on_nodes(2, slot(2)), None),
        ("-N2 -c2 -x", on_nodes(2, slot(1, 2), whole=True), None),
        ("--cores=4", slot(4), None),
        ("--cores=4 -N2", on_nodes(2, slot(1, 2)), None),
        ("--cores=4 -N2 -x", on_nodes(2, slot(1, 2), whole=True), None),
        ("--cores=4 --tasks-per-node=2", slot(4), {"type": "node", "count": 2}),
        (
            "-N2 --tasks-per-node=2 --gpus-per-node=1",
            on_nodes(2, slot(1, 1, 1), whole=True),
            {"type": "node", "count": 2},
        ),
        (
            "-N2 --tasks-per-core=2",
            on_nodes(2, slot(1), whole=True),
            {"type": "core", "count": 2},
        ),
        ("-N1 --gpus-per-node=2", on_nodes(1, slot(1, 1, 2), whole=True), None),
    ],
)
def test_resources(
    options: str,
    resources: dict[str, Any],
    per_resource: dict[str, Any] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = spec(f"submit {options} true", capsys)
    assert made["resources"] == [resources]
    shell = made["attributes"]["system"].get("shell", {})
    assert shell.get("options", {}).get("per-resource") == per_resource


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        ("-t 5", "system.duration", 300.0),
        ("-t 0.5", "system.duration", 30.0),
        ("-t 5s", "system.duration", 5.0),
        ("-q batch -B zoo", "system.queue", "batch"),
        ("-q batch -B zoo", "system.bank", "zoo"),
        ("-S foo=1", "system.foo", 1),
        ("-S foo", "system.foo", 1),
        ("--setattr=user.foo=bar", "user.foo", "bar"),
        ("-S system.a.b=c", "system.a.b", "c"),
        ("-S attributes.user.y=c", "user.y", "c"),
        ("-S .user.y=c", "user.y", "c"),
        ("--cwd=/tmp", "system.cwd", "/tmp"),
        ("-u", "system.shell.options.output.stdout.buffer.type", "none"),
        ("-u", "system.shell.options.output.stderr.buffer.type", "none"),
        ("--job-name=x", "system.job.name", "x"),
        ("--requires=rank:1", "system.constraints", {"ranks": ["1"]}),
        ("-o ^given=given.json", "system.shell.options.given", {"a": 1}),
    ],
)
def test_attributes(
    options: str, key: str, value: object, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "given.json").write_text('{"a": 1}')
    found: Any = spec(f"submit {options} true", capsys)["attributes"]
    for part in key.split("."):
        found = found[part]
    assert found == value


def test_a_directory_is_meant_from_here(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = spec("run --cwd=inner true", capsys)
    assert made["attributes"]["system"]["cwd"] == str(tmp_path / "inner")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("submit -n1 --cores=2 true", "Per-resource options can't be used with per-task options"),
        ("submit --cores=2 -g1 true", "Per-resource options can't be used with per-task options"),
        ("submit --tasks-per-node=2 true", "must specify node or core count with per_resource"),
        ("submit --gpus-per-node=2 true", "--gpus-per-node requires --nodes"),
        ("submit --cores=1 -N2 true", "number of cores cannot be less than nnodes"),
        ("submit --cores=3 -N2 true", "number of cores must be evenly divisible by node count"),
        ("submit --cores=0 true", "ncores must be an integer >= 1"),
        ("submit --cores=x true", "--cores: invalid int value 'x'"),
        ("submit --tasks-per-node=0 -N1 true", "--tasks-per-node must be >= 1"),
        (
            "submit --tasks-per-node=1 --tasks-per-core=1 -N1 true",
            "Do not specify both the number of tasks per node and per core",
        ),
        ("submit -t -1 true", "duration must not be negative"),
        ("submit -x true", "exclusive can only be set with a node count"),
        ("submit --env=A=${nosuch} true", "--env: Variable 'nosuch' not found in A=${nosuch}"),
        ("batch -n1 nosuch.sh", "No such file or directory: 'nosuch.sh'"),
        ("batch s.sh", "Number of slots to allocate must be specified"),
        ("batch -n1 --conf=nosuch s.sh", "--conf: named config 'nosuch' not found"),
        ("batch -n1 --conf=a..b=1 s.sh", "--conf: a..b=1: expected KEY=VALUE"),
        ("batch -n1 --conf=./none.toml s.sh", "--conf: [Errno 2] No such file or directory"),
    ],
)
def test_failures(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert flux(line) == 1
    name = line.split()[0]
    assert capsys.readouterr().err.startswith(f"flux-{name}: ERROR: {message}")


@pytest.mark.parametrize("name", SUBMISSION)
def test_both_spellings_have_each_option(name: str) -> None:
    """What ``flux mini`` can do, today's spelling can."""
    mini = COMMANDS["mini"].load()
    assert isinstance(mini, click.Group)
    old = {str(one.name) for one in mini.commands[name].params}
    new = {str(one.name) for one in COMMANDS[name].load().params}
    assert old <= new


def test_slots_of_an_instance(capsys: pytest.CaptureFixture[str]) -> None:
    assert spec("batch -N2 -c2 s.sh", capsys)["resources"] == [on_nodes(2, slot(1, 2), whole=True)]
    assert spec("alloc -n3 true", capsys)["resources"] == [slot(3)]


def test_what_an_instance_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("[a]\nq = 3\nb = 7\n")
    made = spec("alloc -n1 --bg --dump --conf=one.toml --conf=a.b=1 --broker-opts=-v cmd", capsys)
    assert made["tasks"][0]["command"] == [
        "flux",
        "broker",
        "-Scontent.dump=flux-{{jobid}}-dump.tgz",
        "-c{{tmpdir}}/conf.json",
        "-Sbroker.rc2_none=1",
        "-v",
        "cmd",
    ]
    sent = made["attributes"]["system"]["files"]["conf.json"]["data"]
    assert json.loads(sent) == {"a": {"q": 3, "b": 1}}


def test_a_batch_job_is_called_as_its_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert spec("batch -n1 s.sh", capsys)["attributes"]["system"]["job"] == {"name": "s.sh"}
    named = spec("batch -n1 --dump --job-name=x s.sh", capsys)["attributes"]["system"]
    assert named["job"] == {"name": "x"}
    assert named["batch"]["broker-opts"] == ["-Scontent.dump=flux-{{jobid}}-dump.tgz"]
    for written in ("--dump=x.tgz", "--dump x.tgz"):
        given = spec(f"batch -n1 {written} s.sh", capsys)["attributes"]["system"]
        assert given["batch"]["broker-opts"] == ["-Scontent.dump=x.tgz"]


def test_directives_of_a_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = ["#!/bin/sh", "#flux: -N2 --exclusive -t 5", "#flux: -S user.x='''", "#flux: one"]
    lines += ["#flux: two", "#flux: '''", "true"]
    (tmp_path / "d.sh").write_text("".join(f"{line}\n" for line in lines))
    made = spec("batch d.sh", capsys)
    assert made["resources"] == [on_nodes(2, slot(1), whole=True)]
    assert made["attributes"]["system"]["duration"] == 300.0
    assert made["attributes"]["user"]["x"] == "one\ntwo\n"


def test_bulk_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert flux("bulksubmit --dry-run -n{} -t {} echo {} ::: 1 2") == 0
    assert capsys.readouterr().out == (
        "bulksubmit: submit -n1 -t1 echo 1\nbulksubmit: submit -n2 -t2 echo 2\n"
    )


def test_usage_errors_name_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert flux("submit --nosuch true") == 2
    usage = "usage: flux submit [OPTIONS...] COMMAND [ARGS...]\n"
    said = f"{usage}flux submit: error: unrecognized arguments: --nosuch\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("line", ["submit --input=0-1 true", "bulksubmit --input=0 true ::: 1"])
def test_input_of_some_tasks_needs_somebody_attached(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flux(line) == 1
    said = f"flux: ERROR: per-task input not supported for {line.split()[0]}\n"
    assert capsys.readouterr().err == said
