"""`flux jobspec srun`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import yaml

from flux.job.Jobspec import Jobspec, JobspecV1, validate_jobspec
from fluxctl.main import run

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


def made(capsys: pytest.CaptureFixture[str], *words: str) -> JsonObject:
    assert run(["jobspec", "srun", *words]) == 0
    text = capsys.readouterr().out
    assert validate_jobspec(text)
    found: JsonObject = json.loads(text)
    return found


def failure(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert run(["jobspec", *words]) == code
    shown = capsys.readouterr()
    assert not shown.out
    return shown.err


def test_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    jobspec = made(capsys, "hostname")
    core = {"type": "core", "count": 1}
    assert jobspec["version"] == 1
    assert jobspec["resources"] == [{"type": "slot", "count": 1, "with": [core], "label": "task"}]
    assert jobspec["tasks"] == [{"command": ["hostname"], "slot": "task", "count": {"per_slot": 1}}]
    system = jobspec["attributes"]["system"]
    assert set(system) == {"cwd", "environment", "duration"}
    assert system["cwd"] == os.getcwd()
    assert system["duration"] == 0.0
    assert system["environment"] == dict(os.environ)


def shape(jobspec: JsonObject) -> tuple[int | None, int, int, JsonObject]:
    """Nodes, slots on each, cores of a slot, count of tasks."""
    top = jobspec["resources"][0]
    nodes, slot = (top["count"], top["with"][0]) if top["type"] == "node" else (None, top)
    return nodes, slot["count"], slot["with"][0]["count"], jobspec["tasks"][0]["count"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-n4"], (None, 4, 1, {"per_slot": 1})),
        (["-c3"], (None, 1, 3, {"per_slot": 1})),
        (["-N3"], (3, 1, 1, {"per_slot": 1})),
        (["-N2", "-n6", "-c2"], (2, 3, 2, {"per_slot": 1})),
        (["--nodes=2", "--ntasks=2", "--cpus-per-task", "5"], (2, 1, 5, {"per_slot": 1})),
    ],
)
def test_shapes(
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: tuple[int | None, int, int, JsonObject],
) -> None:
    assert shape(made(capsys, *words, "app")) == expected


def test_tasks_that_are_no_multiple_of_the_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobspec", "srun", "-N8", "-n9", "-c2", "app"]) == 0
    shown = capsys.readouterr()
    assert shape(json.loads(shown.out)) == (8, 2, 2, {"total": 9})
    assert (
        "WARNING: Number of tasks is not an integer multiple of the number of nodes. More"
        " resources than required will be requested to satisfy your job." in shown.err
    )
    JobspecV1(**json.loads(shown.out))


def test_options_stop_at_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    jobspec = made(capsys, "myApp", "-c1", "-n1", "-N1")
    assert jobspec["tasks"][0]["command"] == ["myApp", "-c1", "-n1", "-N1"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 60.0), ("0:5", 5.0), ("1:0:0", 3600.0), ("1-2:3:4", 93784.0), ("90:30", 5430.0)],
)
def test_times(capsys: pytest.CaptureFixture[str], text: str, seconds: float) -> None:
    jobspec = made(capsys, "-t", text, "app")
    assert jobspec["attributes"]["system"]["duration"] == seconds


@pytest.mark.parametrize("text", ["", "x", "1s", "-1", "1-2", "1:2:3:4", "1-2:3", "١"])
def test_bad_times(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert failure(capsys, 1, "srun", f"--time={text}", "app") == (
        "flux-jobspec: ERROR: invalid time limit string format. Acceptable formats include"
        " minutes[:seconds], [days-]hours:minutes:seconds\n"
    )


def test_exports(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "1")

    def environment(*rules: str) -> dict[str, str]:
        jobspec = made(capsys, *(f"--export={rule}" for rule in rules), "app")
        found: dict[str, str] = jobspec["attributes"]["system"]["environment"]
        return found

    assert environment("NONE") == {}
    assert environment("MINE") == {"MINE": "1"}
    assert environment("MINE,A=b=c") == {"MINE": "1", "A": "b=c"}
    assert environment("MINE", "A=2") == {"MINE": "1", "A": "2"}
    both = environment("MINE=other,ALL,A=2")
    assert both == {**os.environ, "MINE": "other", "A": "2"}
    assert environment("ALL") == dict(os.environ)


def test_an_output_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobspec", "srun", "-o", "out.txt", "app"]) == 0
    jobspec = Jobspec.from_yaml_stream(capsys.readouterr().out)
    assert jobspec.stdout == "out.txt"


def test_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    json_form = made(capsys, "-N2", "app", "x")
    assert run(["jobspec", "--format", "yaml", "srun", "-N2", "app", "x"]) == 0
    text = capsys.readouterr().out
    assert not text.startswith("{")
    assert yaml.safe_load(text) == json_form


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["srun"], 2, "flux-jobspec: error: command is required"),
        (["srun", "-n2"], 2, "flux-jobspec: error: command is required"),
        (
            ["srun", "-N3", "-n2", "app"],
            1,
            "flux-jobspec: ERROR: Number of nodes greater than the number of tasks",
        ),
        (["srun", "-nx", "app"], 2, "argument -n/--ntasks: invalid int value: 'x'"),
        (["srun", "-n0", "app"], 2, "argument -n/--ntasks: must be between 1 and"),
        (["srun", "--export=NOSUCH", "app"], 1, "Variable (NOSUCH) not in current environment"),
        (["--format=xml", "srun", "app"], 2, "'xml' is not one of 'json', 'yaml'"),
        (["sbatch"], 2, "invalid choice: 'sbatch'"),
    ],
)
def test_errors(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    shown = failure(capsys, code, *words)
    assert sentence in shown
    assert shown.startswith("usage: ") or code == 1
