"""Each option of flux-mini(1) in each sub-command that has it: what it makes of a jobspec, or does.

`SPEC` and `DOES` have every option of the manual's page, which a test makes sure of.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import TYPE_CHECKING, Any, Final

import click
import pytest

from flux.testing.instance import Instance, running_instance
from fluxctl.main import invoke
from fluxctl.mini.bulk import BulkSubmission
from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.options import given
from fluxctl.table import COMMANDS as TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANUAL: Final[dict[str, list[str]]] = json.loads(
    (pathlib.Path(__file__).parents[1] / "docs" / "data" / "manual-options.json").read_text()
)
COMMANDS: Final = ("run", "submit", "bulksubmit", "batch", "alloc")


def names(command: str) -> set[str]:
    """The long names of the options that the manual gives a sub-command."""
    return {entry.rpartition("/")[2] for entry in MANUAL[f"mini {command}"]}


def at(path: str) -> Callable[[dict[str, Any]], object]:
    """A function that returns what stands at a path in ``attributes.system`` of a jobspec."""

    def value(spec: dict[str, Any]) -> object:
        found: Any = spec["attributes"]["system"]
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    return value


def slot(spec: dict[str, Any]) -> dict[str, Any]:
    (top,) = spec["resources"]
    inner: dict[str, Any] = top["with"][0] if top["type"] == "node" else top
    return inner


def count(kind: str) -> Callable[[dict[str, Any]], object]:
    return lambda spec: {one["type"]: one["count"] for one in slot(spec)["with"]}.get(kind)


def nodes(spec: dict[str, Any]) -> object:
    (top,) = spec["resources"]
    return top["count"] if top["type"] == "node" else None


SPEC: Final[dict[str, tuple[list[str], Callable[[dict[str, Any]], object], object]]] = {
    "--ntasks": (["--ntasks=3"], lambda spec: slot(spec)["count"], 3),
    "--nslots": (["--nslots=3"], lambda spec: slot(spec)["count"], 3),
    "--cores-per-task": (["-c5"], count("core"), 5),
    "--cores-per-slot": (["--cores-per-slot=5"], count("core"), 5),
    "--gpus-per-task": (["-g2"], count("gpu"), 2),
    "--gpus-per-slot": (["--gpus-per-slot=2"], count("gpu"), 2),
    "--nodes": (["-N2", "-n2"], nodes, 2),
    "--time-limit": (["--time-limit=1.5m"], at("duration"), 90.0),
    "--setopt": (["-o", "a.b=[1]"], at("shell.options.a.b"), [1]),
    "--setattr": (["--setattr=system.foo.bar=7"], at("foo.bar"), 7),
    "--dependency": (
        ["--dependency=afterok:123?x=1"],
        at("dependencies"),
        [{"scheme": "afterok", "value": "123", "x": 1}],
    ),
    "--begin-time": (
        ["--begin-time=2030-01-01 00:00 UTC"],
        at("dependencies"),
        [{"scheme": "begin-time", "value": "1893456000.0"}],
    ),
    "--env": (["--env=-*", "--env=A=1"], at("environment"), {"A": "1"}),
    "--env-remove": (["--env-remove=*"], at("environment"), {}),
    "--env-file": (["--env-remove=*", "--env-file=rules"], at("environment"), {"FROM": "file"}),
    "--output": (["--output=out"], at("shell.options.output.stdout.path"), "out"),
    "--error": (["--error=err"], at("shell.options.output.stderr.path"), "err"),
    "--label-io": (
        ["--output=out", "--label-io"],
        at("shell.options.output.stdout.label"),
        True,
    ),
    "--wrap": (["--wrap"], lambda spec: at("batch.script")(spec), "#!/bin/sh\ntrue\n"),
    "--broker-opts": (["-B", "-Sa.b=1", "--broker-opts=-v"], lambda spec: opts(spec), True),
}


def opts(spec: dict[str, Any]) -> bool:
    """Whether the brokers of a job get the options of the table."""
    listed = at("batch.broker-opts")(spec) or spec["tasks"][0]["command"]
    assert isinstance(listed, list)
    return listed[listed.index("-Sa.b=1") :][:2] == ["-Sa.b=1", "-v"]


IN_SPEC = [
    (command, option) for command in COMMANDS for option in sorted(names(command) & SPEC.keys())
]


def dry_run(command: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the jobspec that a sub-command would submit."""
    if command == "bulksubmit":
        return of_bulk([*options, "true", ":::", "x"])
    words = [] if command in ("run", "submit") or "--nslots=3" in options else ["-n2"]
    if command == "batch" and "--wrap" not in options:
        words.append("--wrap")
    assert invoke("mini", [command, "--dry-run", *words, *options, "true"]) == 0
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def of_bulk(arguments: list[str]) -> dict[str, Any]:
    """The jobspec of the only job of a ``bulksubmit``, whose dry run shows words instead."""
    mini = TABLE["mini"].load()
    assert isinstance(mini, click.Group)
    command = mini.get_command(click.Context(mini), "bulksubmit")
    assert command is not None
    params = command.make_context("bulksubmit", arguments, **command.context_settings).params
    words = params.pop("words")
    (job,) = BulkSubmission(given(params), words, lambda: None)
    assert job is not None
    made: dict[str, Any] = json.loads(JobspecBuilder().tasks(*job).dumps())
    return made


@pytest.mark.parametrize(("command", "option"), IN_SPEC)
def test_what_an_option_makes_of_the_jobspec(
    command: str,
    option: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").write_text("FROM=file\n")
    words, read, expected = SPEC[option]
    assert read(dry_run(command, words, capsys)) == expected
    if option not in ("--wrap", "--broker-opts"):
        assert read(dry_run(command, [], capsys)) != expected


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as instance:
        yield instance


Words = tuple[list[str], str]
DOES: Final[dict[str, dict[str, Words]]] = {
    "--urgency": {
        command: (["--urgency=20"], r"submit .*urgency=20 flags=\d+") for command in COMMANDS
    },
    "--debug": {command: (["--debug"], r"submit .*urgency=\d+ flags=2\b") for command in COMMANDS},
    "--verbose": {
        "run": (["-v"], r"jobid: \S+"),
        "submit": (["-v", "--wait"], r"mini: submit sh"),
        "bulksubmit": (["-v", "--wait"], r"mini: submit sh"),
        "alloc": (["-v"], r"jobid: \S+"),
    },
    "--dry-run": {command: (["--dry-run"], r"mini: submit|\"tasks\"") for command in COMMANDS},
    "--cc": {
        command: (["--cc=1-3", "-o", "a={cc}"], r"(\S+\n){3}")
        for command in ("submit", "bulksubmit")
    },
    "--bcc": {
        command: (["--bcc=1-3", "-o", "a={cc}"], r"(\S+\n){3}")
        for command in ("submit", "bulksubmit")
    },
    "--wait": {command: (["--wait"], r"done") for command in ("submit", "bulksubmit")},
    "--watch": {command: (["--watch"], r"said") for command in ("submit", "bulksubmit")},
    "--log": {
        command: (["--watch", "--log=log"], r"log: .*said") for command in ("submit", "bulksubmit")
    },
    "--log-stderr": {
        command: (["--watch", "--log-stderr=log"], r"log: .*erred")
        for command in ("submit", "bulksubmit")
    },
    "--progress": {
        command: (["--wait", "--progress"], r"Ignoring --progress")
        for command in ("submit", "bulksubmit")
    },
    "--jps": {
        command: (["--wait", "--progress", "--jps"], r"Ignoring --progress")
        for command in ("submit", "bulksubmit")
    },
    "--define": {"bulksubmit": (["--define=up=x.upper()", "--watch", "--"], r"said X")},
    "--shuffle": {"bulksubmit": (["--shuffle", "--watch"], r"said")},
    "--sep": {"bulksubmit": (["--sep=,", "--watch"], r"said")},
}
"""What is no part of a jobspec: the option in use, and what is seen of it, in the output, in the
file ``log`` or in the job's eventlog. A bar is drawn on terminals only, see
``test_mini.py::test_progress_bar_on_a_terminal``.
"""
ACTING = [(command, option) for option, rows in DOES.items() for command in rows]


@pytest.mark.parametrize(("command", "option"), ACTING)
def test_what_an_option_does(instance: Instance, command: str, option: str) -> None:
    words, expected = DOES[option][command]
    log = instance.home / "log"
    log.unlink(missing_ok=True)
    slots = ["-n1"] if command in ("batch", "alloc") else []
    wrap = ["--wrap"] if command == "batch" else []
    say = "echo said {.up}" if option == "--define" else "echo said"
    script = ["sh", "-c", f"{say}; echo erred >&2"]
    more = [":::", "x"] if command == "bulksubmit" else []
    words = [word for word in words if word != "--"]
    arguments = [command, *slots, *wrap, *words, *script, *more]
    done = instance.run("mini", *arguments, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = done.stdout + done.stderr
    if option in ("--urgency", "--debug", "--wait"):
        found = instance.run("jobs", "-a", "-n", "-c1", "-o", "{id}").stdout.strip()
        seen += instance.run("job", "eventlog", found).stdout
        seen += "done" if "finish" in seen else ""
    if log.exists():
        seen += "log: " + log.read_text().replace("\n", " ")
    assert re.search(expected, seen), seen
    instance.run("job", "cancelall", "-f", "-q")


def test_the_tables_have_every_option_of_the_page() -> None:
    for command in COMMANDS:
        acting = {option for option, rows in DOES.items() if command in rows}
        assert names(command) - SPEC.keys() - acting == set(), command
