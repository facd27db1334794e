"""Options of flux mini to jobspec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.options.values import parse_dependency
from fluxctl.errors import CommandError
from fluxctl.mini.jobspec import JobspecBuilder, Script, read_script
from fluxctl.mini.options import MiniOptions
from fluxctl.mini.request import make_request, parse_urgency

if TYPE_CHECKING:
    from pathlib import Path


def given(**options: Any) -> MiniOptions:
    """Options that leave nothing of this process's environment."""
    return MiniOptions(env=["-*"], **options)


def system(**options: Any) -> dict[str, Any]:
    jobspec = JobspecBuilder("/home/user").tasks(given(**options), ["true"])
    found: dict[str, Any] = json.loads(jobspec.dumps())["attributes"]["system"]
    return found


def test_plain_jobspec_as_recorded() -> None:
    jobspec = JobspecBuilder("/home/user").tasks(given(), ["hostname", "-f"])
    assert jobspec.dumps() == (
        '{"resources": [{"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], '
        '"label": "task"}], '
        '"tasks": [{"command": ["hostname", "-f"], "slot": "task", "count": {"per_slot": 1}}], '
        '"attributes": {"system": {"duration": 0, "cwd": "/home/user", "environment": {}}}, '
        '"version": 1}'
    )


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        ({"time_limit": "2.5m"}, "duration", 150.0),
        ({"queue": "batch"}, "queue", "batch"),
        ({"job_name": "mine"}, "job", {"name": "mine"}),
        ({"requires": ["a,b"]}, "constraints", {"properties": ["a", "b"]}),
        (
            {"requires": ["a|b", "rank:0"]},
            "constraints",
            {"and": [{"or": [{"properties": ["a"]}, {"properties": ["b"]}]}, {"ranks": ["0"]}]},
        ),
        (
            {"setopt": ["pty", "cpu-affinity=per-task", "a.b.c=1", 'j={"x":[1,2]}']},
            "shell",
            {
                "options": {
                    "pty": 1,
                    "cpu-affinity": "per-task",
                    "a": {"b": {"c": 1}},
                    "j": {"x": [1, 2]},
                }
            },
        ),
        (
            {"output": "o-{{id.dec}}", "error": "e"},
            "shell",
            {
                "options": {
                    "output": {
                        "stdout": {"type": "file", "path": "o-{{id.dec}}"},
                        "stderr": {"type": "file", "path": "e"},
                    }
                }
            },
        ),
        (
            {"output": "o.txt", "label_io": True},
            "shell",
            {"options": {"output": {"stdout": {"type": "file", "path": "o.txt", "label": True}}}},
        ),
        (
            {"input": "/dev/null"},
            "shell",
            {"options": {"input": {"stdin": {"type": "file", "path": "/dev/null"}}}},
        ),
        ({"output": "none"}, "shell", None),
        ({"label_io": True}, "shell", None),
        ({"setattr": ["system.foo=bar"]}, "foo", "bar"),
        (
            {"dependency": ["afterok:12345", "x:y?a=1&b=z"]},
            "dependencies",
            [
                {"scheme": "afterok", "value": "12345"},
                {"scheme": "x", "value": "y", "a": 1, "b": "z"},
            ],
        ),
        (
            {"begin_time": "2030-06-21 8am"},
            "dependencies",
            [{"scheme": "begin-time", "value": "1908259200.0"}],
        ),
    ],
)
def test_system_attributes(options: dict[str, Any], key: str, value: Any) -> None:
    assert system(**options).get(key) == value


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_attribute_from_file(tmp_path: Path) -> None:
    (tmp_path / "attr.json").write_text('{"q":1}')
    options = given(setattr=[f"^foo={tmp_path}/attr.json"])
    assert JobspecBuilder("/").tasks(options, ["true"]).getattr("foo") == {"q": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_limit": "1x"}, "ERROR: invalid Flux standard duration"),
        ({"time_limit": "-5"}, "ERROR: invalid Flux standard duration"),
        ({"ntasks": "0"}, "ERROR: task count must be a integer >= 1"),
        ({"ntasks": "x"}, "ERROR: --ntasks: invalid int value 'x'"),
        ({"cores_per_task": "0"}, "ERROR: cores per task must be an integer >= 1"),
        ({"ntasks": "2", "nodes": "4"}, "ERROR: node count must not be greater than task count"),
        ({"dependency": ["nocolon"]}, 'ERROR: Invalid dependency URI "nocolon"'),
        ({"begin_time": "no such time"}, 'ERROR: Invalid datetime: "no such time"'),
        ({"setattr": ["foo"]}, "ERROR: --setattr: Missing value for attr foo"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        system(**options)
    assert caught.value.message == message


def test_no_command() -> None:
    with pytest.raises(CommandError, match="job command and arguments are missing"):
        JobspecBuilder("/").tasks(MiniOptions(), [])


def test_urgency_and_flags() -> None:
    assert [parse_urgency(text) for text in (None, "hold", "EXPEDITE", "default", "7")] == [
        16,
        0,
        31,
        16,
        7,
    ]
    with pytest.raises(CommandError):
        parse_urgency("nosuch")
    jobspec = JobspecBuilder("/").tasks(given(), ["x"])
    request = make_request(jobspec, given(urgency="20", flags=["debug,waitable"], debug=True))
    assert (request.urgency, request.flags) == (20, 6)
    with pytest.raises(CommandError, match="Unknown flag"):
        make_request(jobspec, given(flags=["nosuch"]))


def test_dependency_needs_a_scheme() -> None:
    assert parse_dependency("singleton") == {"scheme": "singleton", "value": ""}
    assert parse_dependency("afterok:") == {
        "scheme": "afterok",
        "value": "",
    }  # the broker says what is wrong with it
    for uri in (":x", "x", "?"):
        with pytest.raises(ValueError, match="Invalid dependency URI"):
            parse_dependency(uri)
        with pytest.raises(CommandError, match="ERROR: Invalid dependency URI"):
            JobspecBuilder("/").tasks(given(dependency=[uri]), ["x"])


def test_batch_as_recorded() -> None:
    options = given(
        nslots="4",
        cores_per_slot="2",
        nodes="2",
        time_limit="10m",
        output="none",
        broker_opts=["-v"],
        wrap=True,
    )
    jobspec = JobspecBuilder("/home/user").batch(options, read_script(["sleep", "1"], wrap=True))
    assert jobspec.dumps().partition('"attributes": ')[2] == (
        '{"system": {"duration": 600.0, "shell": {"options": {"per-resource": {"type": "node"}}}, '
        '"batch": {"script": "#!/bin/sh\\nsleep 1\\n", "broker-opts": ["-v"]}, '
        '"cwd": "/home/user", "environment": {}}}, '
        '"version": 1}'
    )
    with pytest.raises(CommandError, match="Number of slots to allocate must be specified"):
        JobspecBuilder("/").batch(given(), Script("", "s.sh", []))


def test_batch_writes_to_a_file_by_default() -> None:
    jobspec = JobspecBuilder("/").batch(given(nslots="1"), read_script(["x"], wrap=True))
    assert jobspec.stdout == "flux-{{id}}.out"


def test_alloc() -> None:
    builder = JobspecBuilder("/")
    plain = builder.alloc(given(nslots="1"), ["true"])
    assert plain.tasks[0]["command"] == ["flux", "broker", "true"]
    interactive = builder.alloc(given(nslots="1"), [], interactive=True)
    assert interactive.getattr("system.shell.options.pty") == 1


def test_scripts(tmp_path: Path) -> None:
    script = tmp_path / "s.sh"
    script.write_text("#!/bin/sh\necho hi\n")
    assert read_script([str(script), "a"], wrap=False) == (
        "#!/bin/sh\necho hi\n",
        str(script),
        ["a"],
    )
    script.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="does not appear to be a script"):
        read_script([str(script)], wrap=False)


def test_equal_rules_make_one_environment() -> None:
    builder = JobspecBuilder("/")
    assert builder.environment(["-*", "A=1"]) is builder.environment(["-*", "A=1"])


def test_whole_nodes() -> None:
    jobspec = JobspecBuilder("/").tasks(given(nodes="2", ntasks="2", exclusive=True), ["true"])
    assert jobspec.resources[0]["exclusive"] is True
    for make in (JobspecBuilder("/").tasks, JobspecBuilder("/").alloc):
        with pytest.raises(CommandError, match="exclusive can only be set with a node count"):
            make(given(exclusive=True, nslots="1"), ["true"])


def test_whole_nodes_are_slots_where_no_other_number_is_given() -> None:
    for make in (JobspecBuilder("/").tasks, JobspecBuilder("/").alloc):
        node = make(given(exclusive=True, nodes="2"), ["true"]).resources[0]
        assert (node["type"], node["count"], node["with"][0]["count"]) == ("node", 2, 1)
        with pytest.raises(CommandError, match="exclusive can only be set with a node count"):
            make(given(exclusive=True, nslots="1"), ["true"])


def test_a_constraint_that_is_none() -> None:
    with pytest.raises(CommandError, match=r"--requires='.*': Unclosed parenthesis"):
        system(requires=["(a"])
