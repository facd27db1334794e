"""Validator plugins and the worker process."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.validator import JobValidator, ValidatorJobInfo, ValidatorPlugin, ValidatorResult
from flux.job.validator.validator import import_plugins
from flux.testing.scripted import ScriptedFlux
from flux.wire import json
from fluxctl.main import run as flux

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
    assert json.loads(str(result)) == {"errnum": 1, "errstr": "Missing key (attributes)"}
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
    with pytest.raises(ValueError, match="validator plugin 'nosuch' not found"):
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
    bad_one = json.dumps({"jobspec": {}}).decode()
    lines = "\n".join([good, bad_one, "", good]) + "\n"
    run = subprocess.run(
        [sys.executable, "-m", "flux.job.validator"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout.splitlines()) == (
        1,
        ['{"errnum": 0}', '{"errnum": 1, "errstr": "Missing key (attributes)"}', '{"errnum": 0}'],
    )
    bad = subprocess.run(
        [sys.executable, "-m", "flux.job.validator", "--plugins=x"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (bad.returncode, bad.stderr) == (
        1,
        "flux-job-validator: CRITICAL: validator plugin 'x' not found\n",
    )


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``flux job-validator`` on lines of input."""

    def runner(*args: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = flux(["job-validator", *args])
        return code, *capsys.readouterr()

    return runner


SPEC = json.dumps(VALID).decode()
SECOND = json.dumps({**VALID, "version": 2}).decode()


@pytest.mark.parametrize(
    ("args", "stdin", "answers"),
    [
        (["--jobspec-only"], SPEC, ['{"errnum": 0}']),
        ([], f'{{"jobspec": {SPEC}}}', ['{"errnum": 0}']),
        (["--jobspec-only"], SECOND, ['{"errnum": 1, "errstr": "version must be 1"}']),
        (["--jobspec-only", "--require-version=any"], SECOND, ['{"errnum": 0}']),
        (
            ["--jobspec-only", "--plugins=jobspec"],
            f"{SPEC}\n{{}}\n",
            ['{"errnum": 0}', '{"errnum": 1, "errstr": "Missing key (attributes)"}'],
        ),
        (["--jobspec-only"], "[]", ['{"errnum": 1, "errstr": "Jobspec must be a JSON object"}']),
    ],
)
def test_command_answers_line_by_line(
    check: Run, args: list[str], stdin: str, answers: list[str]
) -> None:
    code, out, err = check(*args, stdin=stdin)
    assert (out.splitlines(), err) == (answers, "")
    assert code == any("errstr" in answer for answer in answers)


@pytest.mark.parametrize(
    ("args", "stdin", "text"),
    [
        (["--plugins=nope"], "", "CRITICAL: validator plugin 'nope' not found"),
        (["--plugins=/no/x.py"], "", "CRITICAL: validator plugin '/no/x.py' not found"),
        (["--require-version=x"], "", "CRITICAL: Invalid argument to --require-version"),
        (
            ["--require-version=" + "9" * 5000],
            "",
            "CRITICAL: Invalid argument to --require-version",
        ),
        (["--plugins=schema"], "", "CRITICAL: the plugin schema needs --schema=FILE"),
        (
            ["--plugins=schema", "--schema=/nosuch"],
            "",
            "CRITICAL: /nosuch: No such file or directory",
        ),
        ([], "notjson", "ERROR: Expecting value: line 1 column 1 (char 0)"),
        ([], "{}", "ERROR: no jobspec"),
    ],
)
def test_command_says_what_is_wrong(check: Run, args: list[str], stdin: str, text: str) -> None:
    assert check(*args, stdin=stdin) == (1, "", f"flux-job-validator: {text}\n")


def test_command_lists_its_plugins(check: Run) -> None:
    code, out, _ = check("--list-plugins")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "Available plugins:")
    assert [line.split()[0] for line in lines[1:]] == ["feasibility", "jobspec", "schema"]
    assert lines[2].endswith("Jobspec validator of the Python bindings, which is the default")


def test_command_explains_the_options_of_its_plugins(check: Run) -> None:
    assert "--require-version V" in check("--help")[1]
    code, out, _ = check("--plugins=schema", "-h")
    assert (code, "--schema FILE" in out, "--require-version" in out) == (0, True, False)


def test_unknown_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        flux(["job-validator", "--bogus"])
    assert end.value.code == 2
    assert "error: unrecognized arguments: --bogus" in capsys.readouterr().err


def test_schema(check: Run, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"required": ["flavour"]}')
    args = ("--jobspec-only", "--plugins=schema", f"--schema={file}")
    assert check(*args, stdin=SPEC)[1] == (
        '{"errnum": 22, "errstr": "\'flavour\' is a required property"}\n'
    )
    assert check(*args, stdin='{"flavour": 1}')[:2] == (0, '{"errnum": 0}\n')
    for wrong, text in (("{", "unexpected end of data"), ('{"type": 3}', "is not valid under any")):
        file.write_text(wrong)
        code, _, err = check(*args)
        assert (code, err.startswith(f"flux-job-validator: CRITICAL: {file}: ")) == (1, True)
        assert text in err
