"""Every reader's ``--json`` on a running instance: JSON lines that say what the text says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        running.run("kvs", "put", "a.b=one", "a.c.d=2")
        running.run("kvs", "put", "--raw", "binary=-", stdin="text\n")
        running.run("kvs", "link", "a.b", "a.link")
        running.run("kvs", "eventlog", "append", "log", "begin", '{"try":1}')
        running.run("cron", "interval", "--name=clock", "1h", "date")
        running.run("archive", "create", "-C", "/etc", "hostname")
        running.run("resource", "drain", "1", "its", "fan")
        running.run("logger", "--severity=err", "broken")
        yield running


@pytest.fixture(scope="module")
def jobid(instance: Instance) -> str:
    """A job that has ended, at the second it was told to."""
    found = instance.run("mini", "submit", "--flags=waitable", "echo", "hello").stdout.strip()
    instance.run("job", "status", found)
    return found


def rows(instance: Instance, *words: str) -> list[Any]:
    done = instance.run(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


ONE = [
    ("getattr size", {"name": "size", "value": "2"}),
    ("kvs get a.b", {"key": "a.b", "value": "one"}),
    ("kvs get --treeobj a.c", None),
    ("kvs readlink a.link", {"key": "a.link", "namespace": None, "target": "a.b"}),
    ("hwloc info", None),
    ("overlay parentof 1", {"rank": 1, "parent": 0}),
    ("job stats", None),
    ("module debug kvs", {"name": "kvs", "flags": 0}),
    ("module stats --parse=count content", None),
    ("module info kvs", None),
    ("config get", {}),
    ("cron sync", None),
    ("cron dump 1", None),
    ("queue idle", {"pending": 0}),
    ("version", None),
    ("kvs version", None),
    ("kvs getroot", None),
    ("resource drain", None),
    ("job namespace f1", {"id": 0, "namespace": "job-0"}),
]


@pytest.mark.parametrize(("words", "expected"), ONE, ids=[one[0] for one in ONE])
def test_one_object(instance: Instance, words: str, expected: object) -> None:
    (found,) = rows(instance, *words.split())
    assert expected is None or found == expected


def test_numbers_are_those_of_the_text(instance: Instance) -> None:
    (counts,) = rows(instance, "hwloc", "info")
    assert instance.run("hwloc", "info").stdout.startswith(f"{counts['machines']} Machines, ")
    (root,) = rows(instance, "kvs", "getroot")
    assert instance.run("kvs", "getroot", "-b").stdout.strip() == root["rootref"]
    (entry,) = rows(instance, "cron", "list")
    assert (entry["name"], entry["stopped"]) == ("clock", False)
    (drained,) = rows(instance, "resource", "drain")
    assert (drained["ranks"], drained["reason"]) == ("1", "its fan")
    by_state = {row["state"]: row["ranks"] for row in rows(instance, "resource", "status")}
    assert by_state == {"avail": "0", "drain": "1"}
    (versions,) = rows(instance, "version")
    assert versions["broker"] == instance.run("getattr", "version").stdout.strip()
    (uri,) = rows(instance, "uri", instance.uri)
    assert uri["local"] == instance.uri


def test_many_rows(instance: Instance) -> None:
    assert [row["seq"] for row in rows(instance, "ping", "-c2", "-i0", "kvs")] == [0, 1]
    ranks = rows(instance, "overlay", "status")
    assert [(row["rank"], row["parent"], row["status"]) for row in ranks] == [
        (0, None, "full"),
        (1, 0, "full"),
    ]
    assert rows(instance, "overlay", "status", "--summary") == ranks[:1] or len(ranks) == 2
    assert [row["host"] for row in rows(instance, "overlay", "gethostbyrank", "0-1")] == [
        row["host"] for row in ranks
    ]
    assert {"namespace": "primary", "owner": 0, "flags": 0}.items() <= {
        **rows(instance, "kvs", "namespace", "list")[0],
        "owner": 0,
    }.items()
    assert rows(instance, "archive", "list")[0]["path"] == "hostname"
    assert rows(instance, "jobtap", "list") == []
    assert {"name": ".priority-default", "builtin": True} in rows(instance, "jobtap", "list", "-a")
    (queue,) = rows(instance, "queue", "list")
    assert queue["limits"]["timelimit"] is None
    assert rows(instance, "kvs", "ls", "-R", "a") == [
        {"key": "a.b", "type": "value"},
        {"key": "a.c", "type": "dir"},
        {"key": "a.link", "type": "symlink"},
        {"key": "a.c.d", "type": "value"},
    ]
    (event,) = rows(instance, "kvs", "eventlog", "get", "log")
    assert (event["name"], event["context"]) == ("begin", {"try": 1})
    assert rows(instance, "kvs", "eventlog", "wait-event", "log", "begin") == [event]


def test_bytes_that_are_no_text(instance: Instance) -> None:
    instance.run("kvs", "put", "--treeobj", 'bytes={"ver":1,"type":"val","data":"/w=="}')
    assert rows(instance, "kvs", "get", "bytes") == [{"key": "bytes", "base64": "/w=="}]


def test_jobs(instance: Instance, jobid: str) -> None:
    events = rows(instance, "job", "eventlog", jobid)
    assert [events[0]["name"], events[-1]["name"]] == ["submit", "clean"]
    assert rows(instance, "job", "wait-event", jobid, "submit") == events[:1]
    (found,) = rows(instance, "job", "info", jobid, "R", "eventlog", "guest.output")
    assert found["R"]["version"] == 1
    assert found["eventlog"] == events
    printed = [event["context"].get("data") for event in found["guest.output"]]
    assert "hello\n" in printed
    (forms,) = rows(instance, "job", "id", jobid)
    assert forms["f58"] == jobid
    assert rows(instance, "job", "list-ids", jobid)[0]["id"] == forms["id"]
    (result,) = rows(instance, "job", "wait", jobid)
    assert (result["f58"], result["success"]) == (jobid, True)
    assert rows(instance, "jobs", "-a")[0]["jobs"][0]["jobid"] == jobid
    assert rows(instance, "job", "list", "-a")[0]["id"] == forms["id"]


def test_exec_tells_output_and_exit_codes(instance: Instance) -> None:
    done = instance.run("exec", "--json", "-r0", "sh", "-c", "echo out; echo err >&2; exit 3")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert {"rank": 0, "stream": "stdout", "data": "out\n"} in found
    assert {"rank": 0, "stream": "stderr", "data": "err\n"} in found
    assert {"rank": 0, "exitcode": 3, "signal": None} in found


def test_resource_sets_and_blobs(instance: Instance) -> None:
    made = instance.run("R", "encode", "--json", "-r0-1", "-c0-3").stdout
    counted = instance.run("R", "decode", "--json", "--count=core", "--ranks", stdin=made)
    assert json.loads(counted.stdout) == {"ranks": "0-1", "count": 8}
    stored = json.loads(instance.run("content", "store", "--json", stdin="hello").stdout)
    assert stored["size"] == 5
    assert instance.run("content", "load", stored["blobref"]).stdout == "hello"
    shown = json.loads(instance.run("env", "--json").stdout)
    assert shown["FLUX_URI"] == instance.uri


FORMATS = [
    ("module list -n -o {name}", "kvs"),
    ("lsattr -n -o {name}={value}", "size=2"),
    ("cron list -n -o {id}:{name}:{command}:{state}", "1:clock:date:Active"),
    ("kvs namespace list -n -o {namespace}", "primary"),
    ("jobtap list -a -n -o {name}:{builtin}", ".priority-default:True"),
    ("overlay status -n -o {rank}:{status}:{parent}", "1:full:0"),
    ("queue status -n -o {queue}:{submission}:{scheduling}", "-:enabled:started"),
    ("queue list -n -o {queue}:{resources.all.nnodes}", ":2"),
    ("archive list --no-header -o {type}:{path}", "f:hostname"),
    ("resource drain -n -o {ranks}:{reason}", "1:its fan"),
    ("resource status -n -o {state}:{ranks}", "drain:1"),
]


@pytest.mark.parametrize(("words", "line"), FORMATS, ids=[one[0] for one in FORMATS])
def test_formats_of_ones_own(instance: Instance, words: str, line: str) -> None:
    done = instance.run(*words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert line in done.stdout.splitlines()


COLORS = [
    "archive list -l",
    "cron list",
    "dmesg",
    "jobs -a",
    "jobtap list -a",
    "kvs eventlog get log",
    "kvs ls",
    "kvs namespace list",
    "lsattr",
    "module list",
    "overlay status",
    "queue list",
    "queue status",
    "resource drain",
    "resource list",
    "resource status",
]


@pytest.mark.usefixtures("jobid")
@pytest.mark.parametrize("words", COLORS)
def test_color_adds_nothing_but_color(instance: Instance, words: str) -> None:
    plain = instance.run(*words.split())
    never = instance.run(*words.split(), "--color=never")
    always = instance.run(*words.split(), "--color=always")
    assert plain.returncode == never.returncode == always.returncode == 0
    assert "\x1b" not in plain.stdout + never.stdout
    if words not in ("dmesg", "overlay status", "module list", "lsattr"):  # which change
        assert re.sub(r"\x1b\[[0-9;]*m", "", always.stdout) == plain.stdout == never.stdout


@pytest.mark.usefixtures("jobid")
@pytest.mark.parametrize(
    "words",
    ["dmesg", "jobs -a", "kvs eventlog get log", "kvs ls", "module list", "resource status"],
)
def test_what_is_colored(instance: Instance, words: str) -> None:
    assert "\x1b[" in instance.run(*words.split(), "--color=always").stdout
    assert "\x1b[" in instance.run(*words.split(), "--color").stdout


def test_events_of_a_job_in_color(instance: Instance, jobid: str) -> None:
    shown = instance.run("job", "eventlog", "--color", jobid).stdout
    assert "\x1b[33msubmit\x1b[0;0m" in shown


@pytest.mark.parametrize(
    "words",
    [
        "lsattr --json",
        "module list",
        "dmesg --json --follow",
        "ping --json -i0 kvs",
        "exec --json sh -c 'while echo x; do :; done'",
        "kvs get --watch --json a.b",
        "event sub --json",
    ],
)
def test_a_reader_that_goes_ends_a_command_without_a_word(instance: Instance, words: str) -> None:
    arguments = [str(instance.flux), *shlex.split(words)]
    process = subprocess.Popen(
        arguments, env=instance.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with ending(process):
        assert process.stdout is not None
        assert process.stderr is not None
        if "event" not in words:
            assert process.stdout.read(1)
        process.stdout.close()
        instance.run("logger", "something")
        instance.run("kvs", "put", "a.b=one")
        assert process.wait(PATIENCE) in (141, 0)
        assert process.stderr.read() == b""
