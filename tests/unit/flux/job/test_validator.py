"""Validator plugins and the worker process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.validator import JobValidator, ValidatorJobInfo, ValidatorPlugin, ValidatorResult
from flux.job.validator.validator import import_plugins
from flux.testing.scripted import ScriptedFlux
from flux.wire import json

if TYPE_CHECKING:
    import pathlib

VALID: dict[str, Any] = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}
    ],
    "tasks": [{"command": ["true"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}
PLUGIN = """
from flux.job.validator import ValidatorPlugin

class Validator(ValidatorPlugin):
    def __init__(self, parser):
        parser.add_argument("--word", default="true")
    def configure(self, args):
        self.word = args.word
    def validate(self, job):
        if job.jobspec["tasks"][0]["command"] == ["crash"]:
            raise ValueError("crashed")
        if job.jobspec["tasks"][0]["command"] == [self.word]:
            return 1, f"no {self.word} please"
"""


def info(command: str = "true", **more: Any) -> ValidatorJobInfo:
    spec = {**VALID, "tasks": [{**VALID["tasks"][0], "command": [command]}], **more}
    return ValidatorJobInfo({"jobspec": spec, "userid": 5, "urgency": 16, "flags": 0})


def make(*argv: str, pluginpath: list[str] | None = None) -> JobValidator:
    validator = JobValidator(list(argv), pluginpath=pluginpath)
    validator.start()
    return validator


def test_default_is_the_jobspec() -> None:
    validator = make()
    assert validator.validate(info()).success
    result = validator.validate(
        ValidatorJobInfo(b'{"jobspec":{},"userid":0,"urgency":16,"flags":0}')
    )
    assert (result.success, result.errmsg) == (False, "Missing key (attributes)")
    assert json.loads(str(result)) == {"errnum": 22, "errstr": "Missing key (attributes)"}
    assert not validator.validate(info(version=2)).success
    validator.stop()


def test_plugins_from_a_directory_and_by_path(tmp_path: pathlib.Path) -> None:
    (tmp_path / "noword.py").write_text(PLUGIN)
    assert set(import_plugins("flux.job.validator.plugins", [str(tmp_path)])) >= {
        "jobspec",
        "feasibility",
        "noword",
    }
    for argv, path in (
        (["--plugins=jobspec,noword", "--word=x"], [str(tmp_path)]),
        ([f"--plugins=jobspec,{tmp_path}/noword.py", "--word=x"], None),
    ):
        validator = make(*argv, pluginpath=path)
        assert validator.validate(info()).success
        assert validator.validate(info("x")).errmsg == "no x please"
        assert validator.validate(info("crash")).errmsg == "crashed"
        assert "no x please" in validator.validate(info("x", version=9)).errmsg
        validator.stop()


def test_misuse() -> None:
    with pytest.raises(ValueError, match="no such validator plugin: nosuch"):
        make("--plugins=nosuch")
    with pytest.raises(RuntimeError, match="start"):
        JobValidator([]).validate(info())
    unfinished: Any = ValidatorPlugin
    with pytest.raises(TypeError, match="abstract"):
        unfinished(None)


def test_messages_are_joined() -> None:
    result = ValidatorResult()
    result.push_result(0)
    assert result.success
    result.push_result(1, "a")
    result.push_result(22)
    assert (result.errnum, result.errmsg) == (22, "a, validation failed")


@pytest.mark.parametrize(
    ("error", "success"),
    [(None, True), (OSError(38, ""), True), (OSError(22, "unsatisfiable request"), False)],
)
def test_feasibility(error: OSError | None, success: bool) -> None:
    def answer(payload: Any) -> Any:
        assert payload["jobspec"]["version"] == 1
        if error is not None:
            raise error

    job = info()
    ValidatorJobInfo.tls.flux = ScriptedFlux({"sched.feasibility": answer})
    validator = make("--plugins=feasibility")
    result = validator.validate(job)
    del ValidatorJobInfo.tls.flux
    assert result.success == success
    assert success or result.errmsg == "unsatisfiable request"
    validator.stop()


def test_worker_process() -> None:
    good = json.dumps({"jobspec": VALID, "userid": 0, "urgency": 16, "flags": 0}).decode()
    lines = "\n".join([good, "{}", "garbage", good]) + "\n"
    run = subprocess.run(
        [sys.executable, "-m", "flux.job.validator"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
    )
    answers = [json.loads(line)["errnum"] for line in run.stdout.splitlines()]
    assert (run.returncode, answers) == (0, [0, 71, 71, 0])
    bad = subprocess.run(
        [sys.executable, "-m", "flux.job.validator", "--plugins=x"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (bad.returncode, bad.stderr) == (1, "flux-job-validator: no such validator plugin: x\n")
