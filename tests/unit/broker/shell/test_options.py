"""Options of the shell: a wrong value is refused with the option's name, a right one acts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from broker.shell.levels import ShellFatal
from broker.shell.mustache import TagScope, render, scope_of
from broker.shell.plugins.output_options import parse_size
from broker.shell.shell import Shell, verbosity
from broker.shell.startup import load
from broker.shell.task import ShellTask
from broker.shell.tree_exchange import UP
from tests.unit.broker.shell.shells import Recorder, shell
from tests.unit.broker.shell.test_standalone import run

if TYPE_CHECKING:
    from pathlib import Path


def option(name: str, value: object) -> dict[str, Any]:
    """Return the options that ``-o name=value`` sets."""
    made: object = value
    for part in reversed(name.split(".")):
        made = {part: made}
    assert isinstance(made, dict)
    return made


def loaded(recorder: Recorder) -> str:
    return recorder.log() + recorder.log("exec")


REFUSED = [
    ("exit-timeout", "bogus", "exit-timeout=bogus is invalid: it is none or a Flux Standard"),
    ("exit-timeout", -1, "exit-timeout=-1 is invalid"),
    ("exit-timeout", {}, "exit-timeout={} is invalid"),
    ("exit-timeout", True, "exit-timeout=true is invalid"),
    ("exit-on-error", "maybe", "exit-on-error=maybe is invalid: it is true or false"),
    ("stop-tasks-in-exec", 2, "stop-tasks-in-exec=2 is invalid"),
    ("nosetpgrp", "x", "nosetpgrp=x is invalid"),
    ("linger", [], "linger=[] is invalid"),
    ("pty", "x", "pty=x is invalid"),
    ("pty.ranks", "x", "pty.ranks=x is invalid: it is all, or ranks such as 0-3"),
    ("pty.ranks", -1, "pty.ranks=-1 is invalid"),
    ("pty.ranks", "3-1", "pty.ranks=3-1 is invalid"),
    ("pty.capture", False, "pty.capture=false is invalid: nothing would show"),
    ("pty.capture", "maybe", "pty.capture=maybe is invalid: it is true or false"),
    ("pty.interactive", 7, "pty.interactive=7 is invalid: it is true or false"),
    ("pty.bogus", 1, "pty.bogus=1 is invalid: there is no such option"),
    ("output.stdout.type", "bogus", "output.stdout.type=bogus is invalid: it is kvs, file or term"),
    ("output.stderr.type", 7, "output.stderr.type=7 is invalid"),
    ("output.stdout.type", "file", "output.stdout.type=file is invalid: it needs output.stdout.p"),
    ("output.stdout.label", "x", "output.stdout.label=x is invalid"),
    ("output.limit", "lots", "output.limit=lots is invalid"),
    ("output.limit", "2G", "output.limit=2G is invalid: it is a size up to 1G"),
    ("input.stdin.type", "bogus", "input.stdin.type=bogus is invalid: it is service or file"),
    ("input.stdin.type", "file", "input.stdin.type=file is invalid: it needs input.stdin.path"),
    ("input.limit", -1, "input.limit=-1 is invalid"),
    ("rlimit.foo", 1, "rlimit.foo=1 is invalid: there is no such limit"),
    ("rlimit.nofile", "x", "rlimit.nofile=x is invalid: it is a number"),
    ("rlimit", 5, "rlimit=5 is invalid"),
    ("oom.adjust", 2000, "oom.adjust=2000 is invalid"),
    ("oom.adjust", "x", "oom.adjust=x is invalid"),
    ("oom", 5, "oom.adjust=null is invalid"),
    ("signal", "NOSUCH@1s", "signal=NOSUCH@1s is invalid"),
    ("signal", "USR1@soon", "signal=USR1@soon is invalid"),
    ("signal.signum", "x", "is invalid: it is {signum, timeleft} or SIG@TIME"),
    ("signal.signum", 99, "is invalid"),
    ("signal.timeleft", -1, "is invalid"),
    ("pmi.kvs", "unknown", "Unknown kvs implementation unknown"),
    ("pmi.clique", "badopt", "pmi.clique=badopt is invalid"),
    ("pmi.exchange.k", 0, "pmi.exchange.k=0 is invalid"),
    ("taskmap", "foo:2", "taskmap=foo:2 is invalid: there is no scheme foo"),
    ("taskmap", "cyclic:0", "taskmap=cyclic:0 is invalid: invalid stride 0"),
    ("taskmap", "cyclic:x", "taskmap=cyclic:x is invalid: invalid stride x"),
    ("taskmap", "manual:[[0,1,6,1]]", "got 1 nodes, expected 3"),
    ("taskmap", "manual:0;1;2", "got 3 tasks, expected 6"),
    ("taskmap", "manual:xx", "error parsing range 'xx'"),
    ("taskmap", "hostfile:/nosuch", "taskmap=hostfile:/nosuch is invalid: No such file"),
    ("taskmap", 7, "taskmap=7 is invalid: it is SCHEME[:VALUE]"),
]


@pytest.mark.parametrize(("name", "value", "text"), REFUSED)
def test_a_wrong_value_ends_the_job_and_is_named(name: str, value: object, text: str) -> None:
    context, recorder = shell(2, 3, options=option(name, value))
    context.verbose = 1
    try:
        load(context)
        context.plugins.call("shell.init")
    except ShellFatal as fatal:
        said = fatal.message
    except OSError as error:
        said = str(error)
    else:
        said = "nothing"
    context.peers.flush_entries()
    assert text in said + loaded(recorder)
    assert said != "nothing"


@pytest.mark.parametrize(
    ("name", "value", "text", "pmi"),
    [
        ("mpi", "foo", "mpi=foo changes nothing: what is known is spectrum, openmpi", True),
        ("mpi", ["a"], 'mpi=[\\"a\\"] changes nothing', True),
        ("pmi", "foo", "pmi=foo: what is known is simple or off", False),
        ("pmi", "simple,foo", "pmi=simple,foo: what is known is simple or off", True),
    ],
)
def test_what_nobody_knows_is_told(name: str, value: object, text: str, pmi: bool) -> None:
    context, recorder = shell(options=option(name, value))
    load(context)
    context.plugins.call("shell.init")
    context.peers.flush_entries()
    assert text in recorder.log()
    assert context.plugins.is_builtin("pmi") is pmi


@pytest.mark.parametrize("value", ["simple", "pmi1", "pmi2", "pmi2,simple"])
def test_other_names_of_pmi_mean_the_same(value: str) -> None:
    context, recorder = shell(options=option("pmi", value))
    load(context)
    context.plugins.call("shell.init")
    context.peers.flush_entries()
    assert "what is known" not in recorder.log()
    assert context.plugins.is_builtin("pmi")


@pytest.mark.parametrize("value", ["x", -1, None, [1]])
def test_the_verbosity_is_a_number(value: object) -> None:
    with pytest.raises(ShellFatal, match=r"verbose=.* is invalid: it is a number"):
        verbosity(value)
    assert [verbosity(one) for one in (True, 2, "1", 0)] == [1, 2, 1, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exit-timeout", "none"),
        ("exit-timeout", 30),
        ("exit-timeout", "1.5h"),
        ("exit-on-error", True),
        ("exit-on-error", "false"),
        ("output.stdout.type", "term"),
        ("output.limit", "1.5k"),
        ("rlimit", {"nofile": 9, "core": -1}),
        ("oom.adjust", 5),
        ("signal", 1),
        ("signal", "USR2@1m"),
        ("signal", {"signum": 10, "timeleft": "1m"}),
        ("pmi", "simple"),
        ("pmi", True),
        ("pmi.kvs", "native"),
        ("mpi", "openmpi@5"),
        ("mpi", "none"),
        ("nosuchoption", {"x": 1}),
    ],
)
def test_a_right_value_is_taken(name: str, value: object) -> None:
    context, recorder = shell(2, 3, options=option(name, value))
    load(context)
    context.plugins.call("shell.init")
    context.peers.flush_entries()
    assert "invalid" not in loaded(recorder)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("output.stdout.buffer.type", "foo", "ERROR: output: invalid buffer type specified: foo"),
        ("output.mode", "foo", " WARN: output: ignoring invalid output.mode=foo"),
    ],
)
def test_some_wrong_values_are_only_told(tmp_path: Path, name: str, value: str, text: str) -> None:
    options = option(name, value)
    stdout = {"type": "file", "path": "out"} if name == "output.mode" else {}
    options.setdefault("output", {}).setdefault("stdout", {}).update(stdout)
    done = run(tmp_path, ["echo", "hi"], **options)
    assert f"flux-shell: {text}" in done.stderr
    assert done.returncode == 0
    assert (done.stdout or (tmp_path / "out").read_text()) in ("0: hi\n", "hi\n")


def test_fanouts_are_told() -> None:
    for asked, text in ((2, "using k=2"), (9, "requested exchange fanout too large, using k=3")):
        context, recorder = shell(2, 3, options=option("pmi.exchange.k", asked))
        load(context)
        context.plugins.call("shell.init")
        context.peers.flush_entries()
        assert f'"message":"{text}","component":"pmi"' in recorder.log()


@pytest.mark.parametrize(
    ("options", "tree"),
    [
        ({}, False),
        ({"kvs": "native"}, False),
        ({"kvs": "exchange"}, True),
        ({"exchange": {"k": 1}}, True),
        ({"kvs": "exchange", "exchange": {"k": 9}}, True),
        ({"kvs": "native", "exchange": {"k": 2}}, False),
    ],
)
def test_pairs_go_from_shell_to_shell_for_who_asks(options: dict[str, Any], tree: bool) -> None:
    context, _ = shell(2, 3, options={"pmi": options} if options else {})
    load(context)
    context.plugins.call("shell.init")
    assert (UP in context.peers.relays) == tree


@pytest.mark.parametrize(
    ("value", "size"),
    [("10", 10), (10, 10), ("1k", 1000), ("1K", 1024), (".5M", 524288), ("1G", 1 << 30)],
)
def test_sizes(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "x", "1T", "-1", True, None, [], "1 k", "inf"])
def test_no_sizes(value: object) -> None:
    assert parse_size(value) is None


# Templates


def test_templates_name_job_node_and_task() -> None:
    context, _ = shell(2, 3, rank=1)
    context.tmpdir = "/tmp/here"
    task = ShellTask(3, 1, ["true"], {})
    template = (
        "{{id}} {{id.dec}} {{jobid.hex}} {{name}} {{ntasks}} {{size}} {{nnodes}} {{tmpdir}} "
        "{{node.id}} {{node.name}} {{node.broker_rank}} {{node.cores}} {{node.ncores}} "
        "{{node.gpus}} "
        "{{taskid}} {{task.id}} {{task.rank}} {{task.index}} {{task.localid}} "
        "{{nosuch}} {{id.nosuch}} {{ id }} {{node.nosuch}} {{"
    )
    assert render(template, context, TagScope.TASK, task) == (
        "ƒ4fr 12345 0x3039 true 6 6 3 /tmp/here 1 host1 1 0-1 2 0 3 3 3 1 1 "
        "{{nosuch}} {{id.nosuch}} {{ id }} {{node.nosuch}} {{"
    )
    assert render("{{id.dec}}-{{node.id}}-{{taskid}}", context, TagScope.JOB) == (
        "12345-{{node.id}}-{{taskid}}"
    )
    assert [scope_of(one) for one in ("{{id}}", "{{node.id}}", "{{taskid}}{{node.id}}")] == [
        TagScope.JOB,
        TagScope.NODE,
        TagScope.TASK,
    ]


def test_tasks_may_have_files_of_their_own(tmp_path: Path) -> None:
    output = {"stdout": {"type": "file", "path": "out-{{name}}-{{taskid}}"}}
    output["stderr"] = {"type": "file", "path": "err-{{node.id}}"}
    command = ["sh", "-c", "echo $FLUX_TASK_RANK; echo e$FLUX_TASK_RANK >&2"]
    done = run(tmp_path, command, 2, output=output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out-sh-0").read_text() == "0\n"
    assert (tmp_path / "out-sh-1").read_text() == "1\n"
    assert sorted((tmp_path / "err-0").read_text().splitlines()) == ["e0", "e1"]


def test_what_is_beyond_the_limit_is_not_stored() -> None:
    context, recorder = shell(1, options=option("output.limit", 10))
    context.info.jobspec["tasks"][0]["command"] = ["sh", "-c", "echo 12345678; echo 12345678"]
    context.env["PATH"] = "/usr/bin:/bin"
    context.verbose = 1
    assert Shell(context).run(load) == 0
    events = [json.loads(line) for line in recorder.log().splitlines()]
    data = [one["context"].get("data") for one in events if one["name"] == "data"]
    assert "".join(filter(None, data)) == "12345678\n1"
    messages = [one["context"]["message"] for one in events if one["name"] == "log"]
    assert "stdout will be truncated, 10 limit exceeded" in messages
    assert "stdout: 8 of 18 bytes truncated" in messages


# Task maps


@pytest.mark.parametrize(
    ("value", "taskids"),
    [
        ("cyclic", "1,4"),
        ({"scheme": "cyclic", "value": "2"}, "2-3"),
        ("block", "2-3"),
        ("manual:0;1-4;5", "1-4"),
        ("manual:[[2,1,2,1],[1,1,2,1],[0,1,2,1]]", "2-3"),
    ],
)
def test_tasks_are_mapped(value: object, taskids: str) -> None:
    context, _ = shell(2, 3, rank=1, options={"taskmap": value})
    load(context)
    from broker.shell import facts

    assert facts.rank_info(context, -1)["taskids"] == taskids
    assert sum(rank.ntasks for rank in context.info.ranks) == 6
    assert context.start_context["taskmap"]["version"] == 1


def test_tasks_are_mapped_to_the_hosts_of_a_file(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("host2 \nhost[0-1],other\n")
    context, _ = shell(2, 3, options={"taskmap": f"hostfile:{hosts}"})
    load(context)
    assert [list(rank.taskids) for rank in context.info.ranks] == [[1, 4], [2, 5], [0, 3]]
    hosts.write_text("host0\n")
    context, recorder = shell(2, 3, options={"taskmap": f"hostfile:{hosts}"})
    with pytest.raises(ShellFatal, match="failed to map tasks with scheme=hostfile"):
        load(context)
    context.peers.flush_entries()
    assert "does not name host1" in recorder.log()


def test_a_plugin_maps_tasks(tmp_path: Path) -> None:
    plugin = tmp_path / "reverse.py"
    plugin.write_text(
        "import json\n"
        "def flux_plugin_init(shell, conf):\n"
        "    shell.add_handler('taskmap.*', reverse)\n"
        "def reverse(shell, topic, args):\n"
        "    assert (topic, args['scheme'], args['value']) == ('taskmap.x', 'x', 'y:z')\n"
        "    assert json.loads(args['taskmap']) == [[0, 3, 2, 1]]\n"
        "    args['taskmap'] = '4-5;2-3;0-1'\n"
    )
    context, _ = shell(2, 3, options={"taskmap": "x:y:z", "userrc": str(plugin)})
    load(context)
    assert [list(rank.taskids) for rank in context.info.ranks] == [[4, 5], [2, 3], [0, 1]]


def test_a_pmi_library_is_put_where_mpi_libraries_look(tmp_path: Path) -> None:
    library = tmp_path / "libpmi.so.0"
    library.touch()
    context, _ = shell(2)
    context.env |= {
        "FLUX_PMI_LIBRARY_PATH": str(library),
        "I_MPI_PMI_LIBRARY": "x",
        "LD_LIBRARY_PATH": "/y",
    }
    load(context)
    context.plugins.call("shell.init")
    assert context.env["I_MPI_PMI_LIBRARY"] == str(library)
    assert context.env["LD_LIBRARY_PATH"] == f"{tmp_path}:/y"
    assert (context.env["OMPI_MCA_pmix"], context.env["OMPI_MCA_schizo"]) == ("flux", "flux")


def test_an_initrc_may_know_other_mpi_libraries(tmp_path: Path) -> None:
    plugin = tmp_path / "site.py"
    plugin.write_text("def flux_plugin_init(shell, conf): pass")
    context, recorder = shell(2, options={"mpi": "site-mpi", "userrc": str(plugin)})
    load(context)
    context.plugins.call("shell.init")
    context.peers.flush_entries()
    assert "invalid" not in loaded(recorder)
