"""Jobspecs made with the keywords and the options of today's flux-core."""

from __future__ import annotations

import inspect
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from flux.job import BatchConfig, JobspecV1
from flux.job.jobspec_options import JobExtras, JobspecOptions
from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.options import MiniOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def system(jobspec: JobspecV1) -> dict[str, Any]:
    """Return the system's attributes as JSON has them."""
    found: dict[str, Any] = json.loads(jobspec.dumps())["attributes"]["system"]
    return found


def test_each_keyword_of_a_command_sets_its_attribute() -> None:
    made = JobspecV1.from_command(
        ["true"],
        duration="1m",
        environment={"A": "b"},
        env_expand={"ID": "{{id}}"},
        cwd="/x",
        rlimits={"nofile": 3},
        name="n",
        input="i",
        output="o",
        error="e",
        label_io=True,
        unbuffered=True,
        queue="q",
        bank="b",
    )
    found = system(made)
    options = found.pop("shell")["options"]
    assert found == {
        "duration": 60.0,
        "environment": {"A": "b"},
        "cwd": "/x",
        "job": {"name": "n"},
        "queue": "q",
        "bank": "b",
    }
    assert options["env-expand"] == {"ID": "{{id}}"}
    assert options["rlimit"] == {"nofile": 3}
    assert options["input"]["stdin"]["path"] == "i"
    for stream, path in (("stdout", "o"), ("stderr", "e")):
        assert options["output"][stream]["path"] == path
        assert options["output"][stream]["label"] is True
        assert options["output"][stream]["buffer"] == {"type": "none"}


def test_a_keyword_that_nobody_knows_is_named() -> None:
    unknown: dict[str, Any] = {"foo": 1}
    with pytest.raises(TypeError, match=r"from_command\(\) .* 'foo'"):
        JobspecV1.from_command(["x"], **unknown)
    makers: tuple[Callable[[], object], ...] = (
        lambda: JobspecV1.from_nest_command(["x"], **unknown),
        lambda: JobspecV1.from_batch_command("#!x", "x", **unknown),
        lambda: JobspecV1.per_resource(["x"], ncores=1, **unknown),
        lambda: JobspecV1.from_submit(["x"], **unknown),
        lambda: JobspecV1.from_alloc(nslots=1, **unknown),
        lambda: JobspecV1.from_batch(content="#!x", **unknown),
        lambda: JobspecV1.from_submit(["x"]).apply_options(**unknown),
    )
    for make in makers:
        with pytest.raises(TypeError, match="'foo'"):
            make()


def test_the_typed_extras_are_the_keywords() -> None:
    keywords = set(inspect.signature(JobspecOptions.set_extras).parameters) - {"self"}
    assert keywords == set(JobExtras.__annotations__)
    assert keywords < set(inspect.signature(JobspecV1.from_command).parameters)


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("foo", "system.foo"),
        ("user", "system.user"),
        ("a.b", "system.a.b"),
        ("user.a", "user.a"),
        ("system.a", "system.a"),
        ("attributes.x", "x"),
        ("attributes.system.x", "system.x"),
    ],
)
def test_a_key_is_the_systems_unless_it_says_otherwise(key: str, where: str) -> None:
    made = JobspecV1.from_command(["true"])
    made.setattr(key, 7)
    value: Any = made.attributes
    for name in where.split("."):
        value = value[name]
    assert value == 7
    assert made.getattr(key) == 7


def test_whole_sections_are_set_as_in_0_29() -> None:
    made = JobspecV1.from_command(["true"])
    made.setattr("user", {"a": 1})
    assert made.getattr("user") == {"a": 1}
    mini = JobspecBuilder("/").tasks(MiniOptions(setattr=["x.y=1"]), ["true"])
    assert mini.attributes is not None
    assert mini.attributes["x"] == {"y": 1}
    todays = JobspecBuilder("/").tasks(MiniOptions(setattr=["x.y=1"], todays=True), ["true"])
    assert system(todays)["x"] == {"y": 1}


def test_streams_have_two_names() -> None:
    made = JobspecV1.from_command(["true"])
    made.input, made.output, made.error = "i", "o", "e"
    assert (made.stdin, made.stdout, made.stderr) == ("i", "o", "e")
    assert (made.input, made.output, made.error) == ("i", "o", "e")
    before = json.loads(made.dumps())
    assert not made.unbuffered
    made.unbuffered = True
    assert made.unbuffered
    made.unbuffered = False
    assert json.loads(made.dumps()) == before


def test_an_instance_finds_its_configuration() -> None:
    nest = JobspecV1.from_nest_command(["sh"], broker_opts=["-v"], conf={"a": 1}, name="x")
    broker = ["flux", "broker", "-v", "-c{{tmpdir}}/conf.json", "sh"]
    assert nest.tasks[0]["command"] == broker
    assert system(nest)["files"]["conf.json"]["data"] == '{"a":1}'
    assert system(nest)["job"] == {"name": "x"}
    conf = BatchConfig().update("a.b=1").update('{"a": {"c": [2]}}').update("a.b = 3\n")
    assert (conf.config, conf.get("a.b"), conf.get("a.x", 9)) == ({"a": {"b": 3, "c": [2]}}, 3, 9)
    batch = JobspecV1.from_batch_command("#!/bin/sh\n", "jn", conf=conf, output="f")
    assert system(batch)["batch"]["broker-opts"] == ["-c{{tmpdir}}/conf.json"]
    assert batch.stdout == "f"


def test_bad_configurations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    for text, why in (
        ("nosuch", "named config 'nosuch' not found"),
        ("/nosuch.toml", "No such file"),
        (f"{tmp_path}/list.json", "is no table"),
        (".x=1", "expected KEY=VALUE"),
        ("x = \n", "the lines given"),
    ):
        with pytest.raises(ValueError, match=why):
            BatchConfig().update(text)


def test_options_of_a_submission() -> None:
    made = JobspecV1.from_submit(
        ["a"],
        ntasks=2,
        time_limit="2m",
        shell_options={"a.b": 1, "c": {"d": 2}},
        attributes={"foo": 1, ".user.x": 2, "system.z": 3},
        dependency=["afterok:123"],
        requires=["host:a", "rank:0"],
        signal="@2m",
        taskmap="cyclic",
        rlimit=["-*", "nofile=5"],
        env=["-*", "A=b", "C={{id}}"],
        add_file=["x=a\nb"],
    )
    found = system(made)
    assert found.pop("shell")["options"] == {
        "env-expand": {"C": "{{id}}"},
        "rlimit": {"nofile": 5},
        "signal": {"signum": 10, "timeleft": 120.0},
        "taskmap": {"scheme": "cyclic", "value": ""},
        "a": {"b": 1},
        "c": {"d": 2},
    }
    assert found.pop("files")["x"]["data"] == "a\nb"
    assert found == {
        "duration": 120.0,
        "environment": {"A": "b"},
        "dependencies": [{"scheme": "afterok", "value": "123"}],
        "constraints": {"and": [{"hostlist": ["a"]}, {"ranks": ["0"]}]},
        "foo": 1,
        "z": 3,
    }
    assert made.getattr("user.x") == 2


def test_a_submission_takes_the_environment_along() -> None:
    plain = JobspecV1.from_submit(["a"])
    assert plain.environment == dict(os.environ)
    assert "nofile" in plain.getattr("shell.options.rlimit")
    assert plain.cwd is None
    own = JobspecV1.from_submit(["a"], environment={"A": "b"}, rlimits={"core": 0})
    assert own.environment == {"A": "b"}
    assert own.getattr("shell.options.rlimit") == {"core": 0}


def test_texts_in_place_of_lists_are_refused() -> None:
    for name in ("env", "add_file", "rlimit"):
        wrong: dict[str, Any] = {name: "-*"}
        with pytest.raises(TypeError, match=f"{name} must be a list of strings"):
            JobspecV1.from_submit(["a"], **wrong)


def test_options_of_an_object_go_behind_keywords() -> None:
    class Args:
        setattr = ("x=1",)
        setopt = ("verbose",)
        env = ("-*",)
        time_limit = 5

    made = JobspecV1.from_command(["a"]).apply_options(Args(), time_limit=7)
    assert (made.duration, made.environment, made.getattr("x")) == (7, {}, 1)
    assert made.getattr("shell.options.verbose") == 1


def test_allocations_and_batch_jobs(tmp_path: Path) -> None:
    alloc = JobspecV1.from_alloc(nodes=2, bg=True, conf="a.b=1")
    assert alloc.resources[0]["exclusive"] is True
    assert alloc.tasks[0]["command"][2:] == ["-Sbroker.rc2_none=1", "-c{{tmpdir}}/conf.json"]
    assert alloc.cwd == os.getcwd()
    with pytest.raises(ValueError, match="requires nslots or nodes"):
        JobspecV1.from_alloc()
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n")
    batch = JobspecV1.from_batch(script, nslots=3)
    assert (batch.getattr("job.name"), batch.stdout) == ("job.sh", "flux-{{id}}.out")
    assert batch.resource_counts()["core"] == 3
    wrapped = JobspecV1.from_batch(content="echo\n", wrap=True, output="x", name="y")
    assert wrapped.getattr("batch.script") == "#!/bin/sh\necho\n"
    assert (wrapped.getattr("job.name"), wrapped.stdout) == ("y", "x")
    with pytest.raises(ValueError, match="does not appear to start with"):
        JobspecV1.from_batch(content="echo\n")
    for name, content in ((None, None), ("x", "y")):
        with pytest.raises(TypeError, match="takes one of 'script'"):
            JobspecV1.from_batch(name, content=content)
    with pytest.raises(FileNotFoundError):
        JobspecV1.from_batch(tmp_path / "nosuch")
