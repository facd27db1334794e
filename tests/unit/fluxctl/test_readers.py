"""Every command that reads has ``--json``, every list a format and colors, or a reason not to."""

from __future__ import annotations

import click
import pytest

from docs.generate import sub_commands
from fluxctl.table import COMMANDS

_ACTS = "it changes something, and prints what a person wants to know of that"
_RUNS = "it is another program's output"

NO_JSON: dict[str, str] = {
    **dict.fromkeys(
        (
            *("admin cleanup-push", "archive create", "archive extract", "archive remove"),
            *(
                "config load",
                "config reload",
                "config set",
                "config unset",
                "content checkpoint update",
                "content dropcache",
                "content flush",
                "cron at",
            ),
            *("cron delete", "resource acquire-mute"),
            *("job-exec-override finish", "job-exec-override start"),
            *("cron event", "cron interval", "cron start", "cron stop", "cron tab", "dump"),
            *("event pub", "heaptrace start", "heaptrace dump", "heaptrace stop", "job annotate"),
            *(
                "job cancel",
                "job cancelall",
                "job kill",
                "job killall",
                "job memo",
                "job purge",
                "job raise",
            ),
            *("job raiseall", "job submit", "job urgency", "jobtap load", "jobtap remove"),
            *("keygen", "kvs copy", "kvs dropcache", "kvs eventlog append", "kvs link"),
            *("kvs mkdir", "kvs move", "kvs namespace create", "kvs namespace remove", "kvs put"),
            *("kvs unlink", "logger", "mini alloc", "mini batch", "mini bulksubmit", "mini run"),
            *("mini submit", "module load", "module reload", "module remove", "module unload"),
            *("overlay disconnect", "queue disable", "queue enable", "queue start", "queue stop"),
            *("resource reload", "resource undrain", "restore", "setattr", "sproc kill"),
            *("config set", "config unset", "housekeeping kill", "post-job-event"),
            *("kvs sync", "modprobe load", "modprobe rc1", "modprobe rc3", "modprobe remove"),
            *("alloc", "batch", "bulksubmit", "cancel", "pkill", "run", "shutdown", "submit"),
            "update",
        ),
        _ACTS,
    ),
    **dict.fromkeys(
        (
            "broker",
            "job attach",
            "multi-prog",
            "proxy",
            "python",
            "relay",
            "shell",
            "start",
            "watch",
        ),
        _RUNS,
    ),
    "content load": "a blob is bytes as they are",
    "content spam": "it is a test's load",
    "cron help": "it is a manual",
    "fortune": "it is a saying",
    "lptest": "it is a test's text",
    "pmi barrier": "each task prints lines of its own, as those of 0.88 are",
    "pmi exchange": "each task prints lines of its own, as those of 0.88 are",
    "pmi get": "each task prints lines of its own, as those of 0.88 are",
    "help": "it is a manual",
    "hwloc topology": "it is XML, for tools that read XML",
    "job-validator": "its answers are JSON, of a protocol of its own",
    "jobtap query": "what it prints is JSON",
    "jobspec srun": "it has --format=json, which is the default",
    "kvs wait": "there is nothing to say but that it is over",
    "seg": "its lines are a protocol of their own, which GRAM reads",
    "R verify": "it tells what is wrong, if anything is",
    "modprobe run": "it runs what others wrote, and prints what it would run for a person",
    "sproc wait": "there is nothing to say but how it ended, which is the exit code",
    "queue drain": "there is nothing to say but that it is over",
}
"""Commands without ``--json``, and why."""

LISTS = (
    *(
        "archive list",
        "cron list",
        "housekeeping list",
        "jobs",
        "jobtap list",
        "kvs namespace list",
        "lsattr",
    ),
    *("module list", "overlay status", "priority", "queue list", "queue status"),
    *("resource drain", "resource list", "resource status"),
)
"""What lists takes a format."""

COLORS = (*LISTS, "dmesg", "job eventlog", "job wait-event", "kvs eventlog get", "kvs ls")


def leaves() -> dict[str, click.Command]:
    """Return every command without sub-commands, by its words."""
    return {
        path: command
        for name, entry in COMMANDS.items()
        for path, command in sub_commands(entry.load(), name)
        if not isinstance(command, click.Group)
    }


def names(command: click.Command) -> set[str]:
    """Return the long and short options of a command."""
    return {name for param in command.params for name in param.opts}


@pytest.mark.parametrize("path", sorted(leaves()))
def test_a_reader_has_json_or_a_reason(path: str) -> None:
    has = "--json" in names(leaves()[path])
    assert has != (path in NO_JSON), f"flux {path}: --json, or a reason in NO_JSON, not both"


def test_reasons_are_about_commands() -> None:
    assert set(NO_JSON) <= set(leaves())


@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_a_format(path: str) -> None:
    assert {"-o", "--format"} <= names(leaves()[path])


@pytest.mark.parametrize("path", COLORS)
def test_what_colors_takes_color(path: str) -> None:
    (option,) = [param for param in leaves()[path].params if "--color" in param.opts]
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == ("never", "always", "auto")


def test_what_is_called_list_takes_a_format_or_prints_json() -> None:
    called = {path for path in leaves() if path.split()[-1].startswith(("list", "ls"))}
    always_json = {"job list", "job list-ids", "job list-inactive"}
    trees = {"kvs ls", "modprobe list-dependencies"}
    # Here there is one row at most, with the columns that today's flux-core has.
    one_row = {"content checkpoint list"}
    assert called - set(LISTS) - trees - one_row == always_json
