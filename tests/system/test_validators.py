"""What job-ingest has checked before a job is accepted: its own rules, plugins, or nothing."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

DIES = """
import os, signal
from flux.job.validator import ValidatorPlugin

class Validator(ValidatorPlugin):
    def validate(self, job):
        command = job.jobspec["tasks"][0]["command"][0]
        if command == "false":
            os.kill(os.getpid(), signal.SIGKILL)
        if command == "uname":
            os._exit(3)
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def reload(instance: Instance, *args: str) -> None:
    done = instance.run("module", "reload", "job-ingest", *args)
    assert done.returncode == 0, done.stderr


def refusal(instance: Instance, *args: str) -> str:
    """What a submission is refused with."""
    done = instance.run("mini", "submit", *args)
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().removeprefix("flux-mini: ERROR: ")


def logged(instance: Instance, text: str) -> bool:
    return text in instance.run("dmesg").stdout


def test_a_validator_that_dies_is_told_and_replaced(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    reload(instance, f"validator-plugins=jobspec,{tmp_path}/dies.py", "worker-count=1")
    text = "[Errno 71] Unrecoverable error: validator unexpectedly exited"
    for command, code in (("false", -9), ("uname", 3)):
        assert refusal(instance, command) == text
        said = f"job-ingest.err[0]: validator[0]: exited with rc={code}"
        until(partial(logged, instance, said))
        assert instance.run("mini", "run", "true").returncode == 0


def test_feasibility_is_asked_at_submission(instance: Instance) -> None:
    reload(instance, "validator-plugins=jobspec,feasibility")
    assert refusal(instance, "-n999", "true") == "[Errno 75] request is not satisfiable"
    assert refusal(instance, "-g1", "true") == "[Errno 22] Unsupported resource type 'gpu'"
    assert instance.run("mini", "run", "true").returncode == 0


def test_what_can_never_run_is_told_by_the_scheduler_otherwise(instance: Instance) -> None:
    reload(instance)
    for option, note in (("-n999", "unsatisfiable request"), ("-g1", "unsatisfiable request")):
        done = instance.run("mini", "run", option, "true")
        assert done.returncode == 1
        assert f"job.exception type=alloc severity=0 {note}" in done.stderr


def test_a_schema_is_one_more_check(instance: Instance, tmp_path: pathlib.Path) -> None:
    schema = {"properties": {"tasks": {"items": {"properties": {"command": {"maxItems": 1}}}}}}
    (tmp_path / "schema").write_text(json.dumps(schema))
    reload(instance, "validator-plugins=schema", f"validator-args=--schema,{tmp_path}/schema")
    assert "is too long" in refusal(instance, "echo", "a")
    assert instance.run("mini", "run", "true").returncode == 0


def test_without_validator_the_job_manager_still_looks(instance: Instance) -> None:
    reload(instance, "disable-validator")
    assert instance.run("mini", "run", "true").returncode == 0
    before = instance.run("jobs", "-a", "-n", "-o", "{id}").stdout
    for text in ("{}", "[]", '{"attributes": 3}', "x", '{"version": 1, "attributes": {}}'):
        done = instance.run("job", "submit", stdin=text)
        if done.returncode == 0:
            # Taken as it is: then it ends with an exception, and nothing else is harmed.
            ended = instance.run("job", "attach", done.stdout.strip())
            assert ended.returncode == 1
            assert "exception" in ended.stderr
        else:
            assert done.stderr.startswith("flux-job: ")
            assert "internal error" not in done.stderr
    assert instance.run("mini", "run", "true").returncode == 0
    reload(instance)
    assert "Missing key" in instance.run("job", "submit", stdin="{}").stderr
    assert before.splitlines() != []


def test_other_versions_are_for_plugins_to_judge(instance: Instance) -> None:
    made = json.loads(instance.run("mini", "run", "--dry-run", "true").stdout)
    text = json.dumps({**made, "version": 2})
    reload(instance)
    assert instance.run("job", "submit", stdin=text).stderr == "flux-job: version must be 1\n"
    reload(instance, "validator-args=--require-version,any")
    done = instance.run("job", "submit", stdin=text)
    assert done.returncode == 0, done.stderr
    assert instance.run("job", "attach", done.stdout.strip()).returncode == 0
    reload(instance)
