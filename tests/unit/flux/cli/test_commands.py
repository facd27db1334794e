"""The submission commands for programs: parsers, and the jobspecs of parsed arguments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flux.cli import base, fortune
from flux.cli.alloc import AllocCmd
from flux.cli.batch import BatchCmd
from flux.cli.bulksubmit import BulkSubmitCmd
from flux.cli.run import RunCmd
from flux.cli.submit import SubmitCmd
from fluxctl.main import invoke

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS: dict[str, type[base.MiniCmd]] = {
    "run": RunCmd,
    "submit": SubmitCmd,
    "bulksubmit": BulkSubmitCmd,
    "batch": BatchCmd,
    "alloc": AllocCmd,
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLUX_URI", raising=False)
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", str(tmp_path / "plugins"))
    (tmp_path / "s.sh").write_text("#!/bin/sh\n#flux: -N2 -t 5 --env=A=1\nhostname\n")


def made(name: str, *words: str) -> Any:
    """The jobspec that a class makes of a command line."""
    command = COMMANDS[name](f"flux {name}")
    return json.loads(command.jobspec_create(command.parser.parse_args(words)).dumps())


SAME = [
    ("submit", "-n3 -c2 hostname -v"),
    ("submit", "-N2 -t 5 --job-name=x -S a=1 -o verbose --queue=q -B b true"),
    ("submit", "--cores=4 --tasks-per-core=2 --requires=host:a --begin-time=2100-01-01 true"),
    ("run", "-N2 --env=-* --env-remove=B --env=A=1 --signal=USR1@5 --rlimit=nofile=5 -u true"),
    ("run", "--input=f --output=o --error=e --label-io --taskmap=cyclic --cwd=/tmp true"),
    ("alloc", "-n2 --conf=a.b=1 --conf=c=2 --dump --broker-opts=-v --exclusive -N2 true"),
    ("alloc", "-N1 --bg"),
    ("batch", "-n2 --wrap hostname"),
    ("batch", "-t 7 s.sh x"),
    ("batch", "--nslots=4 --dump=f --env=B=2 s.sh"),
]


@pytest.mark.parametrize(("name", "line"), SAME, ids=[f"{name} {line}" for name, line in SAME])
def test_a_class_makes_the_jobspec_that_the_command_makes(
    name: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(name, ["--dry-run", *line.split()]) == 0
    assert made(name, *line.split()) == json.loads(capsys.readouterr().out)


def test_parsed_arguments_are_those_of_flux_core() -> None:
    args = SubmitCmd("flux submit").parser.parse_args(["-n4", "-N2", "cmd", "-x"])
    assert (args.ntasks, args.nodes, args.command) == ("4", "2", ["cmd", "-x"])
    assert (args.urgency, args.verbose, args.wait, args.env) == ("16", 0, None, None)
    args = SubmitCmd("flux submit").parser.parse_args(["--wait", "cmd"])
    assert args.wait == "clean"
    args = BatchCmd("flux batch").parser.parse_args(["-n4", "-N2", "--dump=x", "s.sh", "-x"])
    assert (args.nslots, args.nodes, args.cores_per_slot, args.conf) == (4, 2, 1, None)
    assert args.SCRIPT == ["s.sh", "-x"]
    args = BatchCmd("batch").parser.parse_args(["--conf=a.b=1", "--conf=c=2"])
    assert args.conf.config == {"a": {"b": 1}, "c": 2}
    assert AllocCmd("flux alloc").parser.parse_args(["-n1", "a", "b"]).COMMAND == ["a", "b"]
    args = BulkSubmitCmd("bulksubmit").parser.parse_args(["--define=up=x.upper()", "echo"])
    assert (args.methods, args.sep) == ([("up", "x.upper()")], "\n")


def test_rules_of_the_environment_keep_their_order() -> None:
    words = ["--env-remove=A*", "--env=B=1", "--env-file=f", "--env=C"]
    args = RunCmd("flux run").parser.parse_args([*words, "true"])
    assert (args.env, args.env_remove, args.env_file) == (["-A*", "B=1", "^f", "C"], None, None)


def test_a_begin_time_is_a_dependency() -> None:
    args = RunCmd("flux run").parser.parse_args(["--begin-time=+1h", "--dependency=singleton"])
    assert args.dependency[0].startswith("begin-time:")
    assert args.dependency[1] == "singleton"


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("submit", ["-n3"], "job command and arguments are missing"),
        ("submit", ["-nx", "q"], "--ntasks: invalid int value 'x'"),
        ("run", ["-t5x", "q"], "invalid Flux standard duration"),
        ("batch", ["--wrap", "q"], "Number of slots to allocate must be specified"),
    ],
)
def test_what_cannot_be_is_a_value_error(name: str, words: list[str], reason: str) -> None:
    command = COMMANDS[name](f"flux {name}")
    args = command.parser.parse_args(words)
    with pytest.raises(ValueError, match=reason):
        command.jobspec_create(args)


def test_flags_and_urgency_are_looked_at_when_a_job_is_submitted() -> None:
    command = SubmitCmd("flux submit")
    args = command.parser.parse_args(["--flags=foo", "true"])
    with pytest.raises(ValueError, match="Unknown flag"):
        command.submit(args)
    with pytest.raises(OSError, match=r"."):
        command.submit(command.parser.parse_args(["true"]))


def test_what_argparse_cannot_read_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--nosuch"], ["--begin-time=never ever"], ["--conf=/no/file.toml"]):
        with pytest.raises(SystemExit) as ended:
            BatchCmd("flux batch").parser.parse_args(words)
        assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "flux batch: error: unrecognized arguments: --nosuch" in told
    assert 'argument --begin-time: Invalid datetime: "never ever"' in told
    assert "argument --conf: [Errno 2] No such file or directory: '/no/file.toml'" in told


def test_directives_of_a_script_count_less_than_arguments() -> None:
    command = BatchCmd("flux batch")
    args = command.parser.parse_args(["-n4", "--env=B=2", "s.sh", "x"])
    text, found = command.process_script(args)
    assert text.startswith("#!/bin/sh")
    assert (found.nodes, found.nslots, found.time_limit) == (2, 4, "5")
    assert (found.env, found.SCRIPT) == (["A=1", "B=2"], ["s.sh", "x"])


def test_a_directive_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text("#!/bin/sh\n#flux: --nosuch\n")
    command = BatchCmd("flux batch")
    with pytest.raises(ValueError, match=r"argument parsing failed at bad\.sh line 2"):
        command.jobspec_create(command.parser.parse_args(["-n1", "bad.sh"]))


class Remote(base.SubmitBulkCmd):
    """A command of somebody else, who adds arguments and sends jobspecs elsewhere."""

    def __init__(self) -> None:
        super().__init__("flux remote")
        self.parser.add_argument("--port", type=int, default=50)
        self.parser.add_argument("command", nargs="...")


def test_programs_may_add_arguments() -> None:
    command = Remote()
    args = command.get_parser().parse_args(["-n2", "--port=7", "true"])
    assert args.port == 7
    assert command.jobspec_create(args).tasks[0]["command"] == ["true"]


def test_run_command_does_what_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in ((["--dry-run", "true"], 0), (["-nx", "true"], 1), (["--list-plugins"], 0)):
        with pytest.raises(SystemExit) as ended:
            SubmitCmd("flux submit").run_command(words)
        assert ended.value.code == code
    told = capsys.readouterr()
    assert '"command": ["true"]' in told.out
    assert "Options provided by plugins:" in told.out
    assert told.err == "flux-submit: ERROR: --ntasks: invalid int value 'x'\n"


def test_copies_have_an_id_each() -> None:
    command = SubmitCmd("flux submit")
    parse = command.parser.parse_args
    assert list(command.cc_list(parse(["--cc=1-3", "true"]))) == [1, 2, 3]
    assert command.cc_list(parse(["true"])) == [""]
    with pytest.raises(ValueError, match="specify only one of --cc or --bcc"):
        command.cc_list(parse(["--cc=1", "--bcc=2", "true"]))


PLUGIN = """
from flux.cli.plugin import CLIPlugin

class Site(CLIPlugin):
    def __init__(self, prog):
        super().__init__(prog, prefix="site")
        self.add_option("--colour", default="blue")
        self.seen = []

    def preinit(self, args):
        args.time_limit = "9"

    def modify_jobspec(self, args, jobspec):
        jobspec.setattr("user.colour", args.colour)

    def validate(self, jobspec):
        if jobspec.getattr("user.colour") == "red":
            raise ValueError("no red")
"""


def test_plugins_change_the_jobspecs_of_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "site.py").write_text(PLUGIN)
    assert made("submit", "true")["attributes"]["user"] == {"colour": "blue"}
    with pytest.raises(SystemExit) as ended:
        RunCmd("flux run").run_command(["--dry-run", "--site-colour=red", "true"])
    assert ended.value.code == 0
    attributes = json.loads(capsys.readouterr().out)["attributes"]
    assert attributes["user"] == {"colour": "red"}
    assert attributes["system"]["duration"] == 540
    with pytest.raises(SystemExit) as ended:
        RunCmd("flux run").run_command(["--site-colour=red", "true"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "flux-run: ERROR: no red\n"


def test_sayings_are_lists() -> None:
    for sayings in (fortune.fortunes, fortune.facts, fortune.valentines, fortune.art):
        assert sayings
        assert all(isinstance(saying, str) for saying in sayings)
