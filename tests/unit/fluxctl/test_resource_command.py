"""`flux resource`, `flux R` and `flux hwloc` against recorded answers of a flux-core instance."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from flux.testing.scripted import ScriptedFlux
from fluxctl import main, resource_drain, resource_info
from fluxctl.commands import hwloc as hwloc_command
from fluxctl.commands import resource as resource_command

Runner = Callable[..., tuple[int, str, str]]


def _r(ranks: str, nodelist: str) -> dict[str, Any]:
    entries = [{"rank": ranks, "children": {"core": "0-1"}}] if ranks else []
    return {
        "version": 1,
        "execution": {
            "R_lite": entries,
            "starttime": 0.0,
            "expiration": 0.0,
            "nodelist": [nodelist],
        },
    }


ALL = _r("0-3", "vm,vm,vm,vm")
STATUS: dict[str, Any] = {
    "R": ALL,
    "drain": {"3": {"timestamp": 1795220453.50683, "reason": "bad node"}},
    "online": "0-3",
    "offline": "",
    "exclude": "",
}


def _refuse(errnum: int, text: str) -> Callable[[Any], Any]:
    def fail(_payload: Any) -> Any:
        raise OSError(errnum, text)

    return fail


@pytest.fixture
def flux() -> ScriptedFlux:
    core = '<object type="Core"><object type="PU"/></object>'
    xml = f'<topology><object type="Machine">{core}</object></topology>'
    return ScriptedFlux(
        {
            "sched.resource-status": lambda payload: {
                "all": ALL,
                "allocated": _r("", ""),
                "down": _r("3", "vm"),
            },
            "resource.status": lambda payload: STATUS,
            "resource.drain": lambda payload: None,
            "resource.undrain": lambda payload: None,
            "resource.reload": lambda payload: None,
            "resource.get-xml": lambda payload: {"xml": [xml] * 4},
        },
        attrs={"size": "4"},
    )


@pytest.fixture
def run(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    monkeypatch.setenv("TZ", "UTC")
    for module in (resource_command, resource_drain, resource_info, hwloc_command):
        monkeypatch.setattr(module, "handle", lambda failure=None: flux)

    def runner(*args: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main.run(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    return runner


def test_list(run: Runner) -> None:
    assert run("resource", "list")[1] == (
        "     STATE NNODES   NCORES    NGPUS NODELIST\n"
        "      free      3        6        0 vm,vm,vm\n"
        " allocated      0        0        0 \n"
        "      down      1        2        0 vm\n"
    )
    assert run("resource", "list", "-v", "-s", "all")[1] == (
        "     STATE NNODES   NCORES    NGPUS LIST\n"
        "       all      4        8        0 rank[0-3]/core[0-1]\n"
    )
    layout = "{state} {nnodes} {ncores} {ngpus} {ranks} {nodelist} {rlist}"
    assert run("resource", "list", "-n", "-s", "free,up", "-o", layout)[1] == (
        "free 3 6 0 0-2 vm,vm,vm rank[0-2]/core[0-1]\nup 3 6 0 0-2 vm,vm,vm rank[0-2]/core[0-1]\n"
    )


def test_status(run: Runner) -> None:
    assert run("resource", "status")[1] == (
        "    STATUS NNODES RANKS           NODELIST\n"
        "     avail      3 0-2             vm,vm,vm\n"
        "     drain      1 3               vm\n"
    )
    assert (
        run("resource", "status", "-n", "-s", "offline,online", "-o", "{state} {ranks}")[1]
        == "offline \nonline 0-3\n"
    )
    assert run("resource", "status", "-v")[1].splitlines()[-3:] == [
        "   offline      0                 ",
        "   exclude      0                 ",
        "     drain      1 3               vm",
    ]
    lines = run("resource", "status", "-vv")[1].splitlines()
    assert lines[0] == "    STATUS NNODES RANKS           REASON                         NODELIST"
    assert lines[-1] == "     drain      1 3               bad node                       vm"


def test_a_format_with_reasons_has_a_line_for_each(run: Runner) -> None:
    assert run("resource", "status", "-o", "{ranks} {reason}") == (
        0,
        "RANKS REASON\n0-2 \n3 bad node\n",
        "",
    )


def test_what_can_be_shown_is_told(run: Runner) -> None:
    states = "all,online,avail,offline,exclude,drain,draining,drained,torpid,allocated,housekeeping"
    told = f"flux-resource: INFO: valid states: {states}\n"
    assert run("resource", "status", "-s", "help") == (0, "", told)
    formats = "flux-resource: INFO: valid formats: state,nnodes,ranks,nodelist,reason\n"
    code, out, err = run("resource", "status", "-o", "help")
    assert (code, "  long         Why ranks are drained, too" in out, err) == (0, True, formats)


def test_a_status_from_standard_input(run: Runner, flux: ScriptedFlux) -> None:
    lines = [{"rank": "0-5", "children": {"core": "0-3"}}]
    execution = {"R_lite": lines, "starttime": 0, "expiration": 0, "nodelist": ["h[0-5]"]}
    given = {
        "R": {"version": 1, "execution": execution},
        "drain": {"1-2": {"reason": "bad", "timestamp": 1.5}, "3": {"reason": "", "timestamp": 2}},
        "online": "0-4",
        "offline": "5",
        "exclude": "2",
    }
    words = ("resource", "status", "--from-stdin", "-no", "{state} {ranks} {nodelist} {reason}")
    assert run(*words, stdin=json.dumps(given)) == (
        0,
        "avail 0,4 h[0,4] \noffline 5 h5 \nexclude 2 h2 \ndrain 1-2 h[1-2] bad\ndrain 3 h3 \n",
        "",
    )
    table = run(*words[:3], "-no", "{state} {up.ascii} {ranks} {up}", stdin=json.dumps(given))
    assert table[1].splitlines() == [
        "avail y 0,4 ✔",
        "avail* n 5 ✗",
        "exclude y 2 ✔",
        "drained y 1-3 ✔",
    ]
    given["offline"], given["online"] = "3,5", "0-2,4"
    chosen = ("-s", "drain,offline", "-no", "{up.ascii} {ranks}")
    table = run("resource", "status", "--from-stdin", *chosen, stdin=json.dumps(given))
    assert table[1].splitlines() == ["n 3"]
    header = "    STATUS NNODES RANKS           NODELIST\n"
    assert run("resource", "status", "--from-stdin") == (0, header, "")
    for text in ("xx", "{}", "[]"):
        code, shown, said = run("resource", "status", "--from-stdin", stdin=text)
        assert (code, shown) == (1, "")
        assert said == "flux-resource: ERROR: standard input has no answer to resource.status\n"
    assert flux.sent == []


def test_drain_and_undrain(run: Runner, flux: ScriptedFlux) -> None:
    assert run("resource", "drain", "3", "bad", "node") == (0, "", "")
    assert run("resource", "undrain", "3") == (0, "", "")
    assert flux.sent == [
        ("resource.drain", {"targets": "3", "reason": "bad node"}),
        ("resource.undrain", {"targets": "3"}),
    ]


def test_list_of_drained_ranks(run: Runner) -> None:
    lines = run("resource", "drain")[1].splitlines()
    assert lines[0] == "TIMESTAMP            RANK     REASON                         NODELIST"
    assert lines[1][21:] == "3        bad node                       vm"


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["list", "-s", "nosuch"], 1, "ERROR: Invalid resource state nosuch specified"),
        (["list", "-o", "{nosuch}"], 1, "ERROR: Unknown format field: nosuch"),
        (
            ["status", "-o", "{status} {ranks}"],
            1,
            "ERROR: Unknown format field: status",
        ),
        (
            ["status", "-s", "nosuch"],
            1,
            "ERROR: Invalid resource state nosuch specified\n"
            "flux-resource: INFO: valid states: all,online,avail,offline,exclude,drain",
        ),
        (["drain", "99", "x"], 1, "ERROR: [Errno 22] idset is out of range"),
        (["undrain", "1"], 1, "ERROR: [Errno 22] rank 1 not drained"),
    ],
)
def test_errors(run: Runner, flux: ScriptedFlux, args: list[str], code: int, text: str) -> None:
    flux.script["resource.drain"] = _refuse(22, "idset is out of range")
    flux.script["resource.undrain"] = _refuse(22, "rank 1 not drained")
    result = run("resource", *args)
    assert (result[0], result[2]) == (code, f"flux-resource: {text}\n")


def test_unknown_sub_command(run: Runner) -> None:
    assert run("resource", "config") == (
        2,
        "",
        "usage: flux-resource [-h] {drain,undrain,status,list,reload} ...\n"
        "flux-resource: error: argument subcommand: invalid choice: 'config' "
        "(choose from 'drain', 'undrain', 'status', 'list', 'reload')\n",
    )


def test_reload_sends_an_absolute_path(
    run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert run("resource", "reload", "-f", "R.json")[0] == 0
    assert flux.sent[-1] == ("resource.reload", {"path": "/R.json", "xml": False, "force": True})


def test_hwloc_counts(run: Runner) -> None:
    assert run("hwloc", "info")[1] == "4 Machines, 4 Cores, 4 PUs\n"
    assert run("hwloc", "info", "-r", "1-2")[1] == "2 Machines, 2 Cores, 2 PUs\n"
    assert run("hwloc", "info", "--local")[1].startswith("1 Machine, ")
    assert run("hwloc", "topology", "-r", "0")[1].count("<topology>") == 1
    assert run("hwloc", "info", "-r", "9") == (
        1,
        "",
        "flux-hwloc: rank 9 is out of range, the instance has 4\n",
    )
    assert run("hwloc", "info", "-r", "x") == (1, "", "flux-hwloc: invalid rank list: x\n")


def test_encode_and_decode(run: Runner) -> None:
    code, text, _ = run("R", "encode", "-r", "0-1", "-c", "0-3", "-H", "foo[0-1]")
    assert (code, text) == (
        0,
        '{"version": 1, "execution": {"R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}], '
        '"starttime": 0.0, "expiration": 0.0, "nodelist": ["foo[0-1]"]}}\n',
    )
    with_gpu = run("R", "encode", "-r", "0-1", "-c", "0-3", "-g", "0", "-H", "foo[0-1]")[1]
    assert run("R", "decode", "--short", stdin=with_gpu)[1] == "rank[0-1]/core[0-3],gpu0\n"
    assert run("R", "decode", "--count=core", stdin=text)[1] == "8\n"
    assert run("R", "decode", "-nr", "-i", "1", stdin=text)[1] == "foo1\n1\n"
    assert run("R", "decode", "-s", "-x", "1", stdin=text)[1] == "rank0/core[0-3]\n"


def test_set_operations(run: Runner) -> None:
    one = run("R", "encode", "-r", "0-1", "-c", "0-3", "-H", "a,b")[1]
    two = run("R", "encode", "-r", "1-2", "-c", "2-5", "-H", "b,c")[1]
    short = {
        name: run("R", "decode", "-s", stdin=run("R", name, stdin=one + two)[1])[1].strip()
        for name in ("union", "diff", "intersect")
    }
    assert short == {
        "union": "rank0/core[0-3] rank1/core[0-5] rank2/core[2-5]",
        "diff": "rank0/core[0-3] rank1/core[0-1]",
        "intersect": "rank1/core[2-3]",
    }
    assert run("R", "append", stdin=one + two)[0] == 1
    assert (
        run("R", "decode", "-s", stdin=run("R", "remap", stdin=two)[1])[1]
        == "rank[0-1]/core[0-3]\n"
    )


@pytest.mark.parametrize("stdin", ["", "junk", "{}", "[]"])
def test_bad_r(run: Runner, stdin: str) -> None:
    code, out, err = run("R", "decode", stdin=stdin)
    assert (code, out) == (1, "")
    assert err.startswith("flux-R: Failed to ")


def test_bad_encode(run: Runner) -> None:
    assert run("R", "encode", "-r", "x")[0] == 1
    assert run("R", "encode", "-r", "0-1", "-H", "a") == (
        1,
        "",
        "flux-R: hostname count in 'a' does not match nranks (2)\n",
    )


def _with_properties() -> dict[str, Any]:
    whole = _r("0-3", "n[0-3]")
    whole["execution"]["properties"] = {"batch": "2-3", "ssd": "3"}
    return whole


def test_queues_of_resources(run: Runner, flux: ScriptedFlux) -> None:
    queues = {"queues": {"batch": {"requires": ["batch"]}, "any": {}}}
    flux.script["config.get"] = lambda payload: queues
    flux.script["job-manager.queue-list"] = lambda payload: {"queues": ["batch", "any"]}
    flux.script["sched.resource-status"] = lambda payload: {
        "all": _with_properties(),
        "allocated": _r("", ""),
        "down": _r("", ""),
    }
    layout = "{state} {queue} {properties} {propertiesx} {ranks}"
    assert run("resource", "list", "-n", "-s", "all,down", "-o", layout)[1].splitlines() == [
        "all any   0-1",
        "all batch,any batch  2",
        "all batch,any batch,ssd ssd 3",
        "down batch   ",
        "down any   ",
    ]
    table = run("resource", "list", "-n", "-q", "batch", "-s", "free", "-o", "{ncores} {nodelist}")
    assert table[1] == "4 n[2-3]\n"
    error = "flux-resource: ERROR: --queue: nosuch: no such queue\n"
    assert run("resource", "list", "-q", "nosuch") == (1, "", error)
    flux.script["resource.status"] = lambda payload: {**STATUS, "R": _with_properties()}
    assert run("resource", "status", "-n", "-o", "{state} {queue} {ranks}")[1].splitlines() == [
        "avail any 0-1",
        "avail batch,any 2",
        "drain batch,any 3",
    ]
    assert run("resource", "status", "-n", "-q", "batch", "-o", "{state} {ranks}")[1] == (
        "avail 2\ndrained 3\n"
    )


def test_properties_of_r(run: Runner) -> None:
    made = run("R", "encode", "-r", "0-2", "-H", "n[0-2]", "-p", "all", "-p", "odd:1")[1]
    assert '"properties": {"all": "0-2", "odd": "1"}' in made
    assert '"last": "2"' in run("R", "set-property", "last:2", stdin=made)[1]
    assert run("R", "decode", "-r", "-p", "all,^odd", stdin=made)[1] == "0,2\n"
    assert run("R", "set-property", "x:7", stdin=made) == (
        1,
        "",
        "flux-R: failed to assign properties: rank 7 not found in target resource list\n",
    )


def test_formats_of_status_and_drain_with_names(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run("resource", "status", "-o", "long")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["STATE", "UP", "NNODES", "REASON", "NODELIST"]
    assert out.splitlines()[-1].split() == ["drained", "✔", "1", "bad", "node", "vm"]
    code, out, err = run("resource", "drain", "-o", "long")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["TIME", "STATE", "RANKS", "REASON", "NODELIST"]
    assert out.splitlines()[1].split()[2:] == ["drained", "3", "bad", "node", "vm"]
    assert run("resource", "drain", "-o", "+:{reason:.1}|{nnodes}")[1].splitlines()[0] != ""
    monkeypatch.setenv("FLUX_RESOURCE_STATUS_FORMAT_DEFAULT", "{state}")
    assert run("resource", "status", "-n")[1].splitlines() == ["avail", "drained"]


def test_colors_are_for_the_terminal(run: Runner, flux: ScriptedFlux) -> None:
    drain = {"3": {"timestamp": 1.5, "reason": "\033[31m"}}
    flux.script["resource.status"] = lambda payload: {**STATUS, "drain": drain}
    words = ("status", "-s", "drained", "-no", "{color_up}{up}{color_off} {reason}")
    assert run("resource", *words, "--color=never")[1] == "✔ \\u001b[31m\n"
    assert run("resource", *words, "--color=always")[1] == ("\033[01;32m✔\033[0;0m \\u001b[31m\n")


def test_a_scheduler_that_tells_no_hosts_of_a_part(run: Runner, flux: ScriptedFlux) -> None:
    def bare(ranks: str) -> dict[str, Any]:
        found = _r(ranks, "")
        del found["execution"]["nodelist"]
        return found

    flux.script["sched.resource-status"] = lambda payload: {
        "all": _r("0-3", "n[0-3]"),
        "allocated": bare("1"),
        "down": bare("2-3"),
    }
    listed = run("resource", "list", "-no", "{state} {nodelist} {ncores}")[1]
    assert listed == "free n0 2\nallocated n1 2\ndown n[2-3] 4\n"
