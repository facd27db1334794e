"""`flux R verify` and `flux R rerank`: what is compared, numbered anew and refused."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from flux.resource.Rlist import Rlist
from fluxctl import main

if TYPE_CHECKING:
    from pathlib import Path


def resources(*nodes: tuple[int, str, str], gpus: str = "") -> Rlist:
    """Return a set of nodes, each a rank, its host and its cores."""
    made = Rlist()
    for rank, host, cores in nodes:
        made.add_rank(rank, host, cores)
        if gpus:
            made.add_child(rank, "gpu", gpus)
    return made


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sets: list[Rlist],
    *args: str,
) -> tuple[int, str, str]:
    """Return the exit code of `flux R`, what it printed and the sentence that it said."""
    text = "\n".join(one.encode() for one in sets)
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    code = main.invoke("R", [*args])
    out, err = capsys.readouterr()
    return code, out, err.removeprefix("flux-R: ").rstrip("\n")


A = (0, "a", "0-3")
B = (1, "b", "0-3")


@pytest.mark.parametrize(
    ("sets", "code", "told"),
    [
        ([resources(A), resources(A)], 0, ""),
        ([resources(A, B), resources(B)], 0, ""),
        (
            [resources(A), resources((0, "a", "0-5"))],
            0,
            "rank 0 (a) has extra resources: core[4-5]",
        ),
        (
            [resources((0, "a", "0-5"), gpus="0"), resources(A)],
            1,
            "rank 0 (a) missing resources: core[4-5],gpu0",
        ),
        (
            [resources(A), resources((0, "a", "1-5"))],
            1,
            "rank 0 (a) missing resources: core0",
        ),
        ([resources(A), resources(B)], 1, "rank 1 not found in expected ranks"),
        (
            [resources(A), resources((0, "b", "0-3"))],
            1,
            "rank 0 got hostname 'b', expected 'a'",
        ),
        ([resources(A), resources(A, B)], 1, "Verification supported on single rank only"),
        ([resources(A)], 1, "verify requires exactly 2 R objects on stdin"),
    ],
)
def test_verify(
    sets: list[Rlist],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, capsys, sets, "verify") == (code, "", told)


def test_rerank(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    named = resources(A).set_property("x")
    sets = [named, resources((1, "b", "0-1"))]
    code, out, _ = run(monkeypatch, capsys, sets, "rerank", "b,a")
    assert code == 0
    assert json.loads(out)["execution"] == {
        "R_lite": [
            {"rank": "0", "children": {"core": "0-1"}},
            {"rank": "1", "children": {"core": "0-3"}},
        ],
        "starttime": 0.0,
        "expiration": 0.0,
        "nodelist": ["b,a"],
        "properties": {"x": "1"},
    }


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ("a,b,c", "Too many hosts specified (expected 2)"),
        ("a", "Too few hosts specified (expected 2)"),
        ("a,a", "Too few hosts specified (expected 2)"),
        ("a,c", "failed to find one or more provided hosts in R"),
    ],
)
def test_rerank_refuses_other_hosts(
    hosts: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, capsys, [resources(A, B)], "rerank", hosts) == (1, "", told)


MACHINE = """<?xml version="1.0"?><topology version="2.0"><object type="Machine">
<object type="Core"/><object type="Core"/><object type="Core"/>
<object type="OSDev" name="cuda0" subtype="CUDA"/></object></topology>"""


@pytest.mark.parametrize(
    ("args", "short"),
    [
        (["-H", "a,b"], "rank[0-1]/core0"),
        (["-f", "{xml}", "-r", "3-4", "-H", "a,b"], "rank[3-4]/core[0-2],gpu0"),
        (["--xml={xml}"], "rank0/core[0-2],gpu0"),
    ],
)
def test_encode(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    args: list[str],
    short: str,
) -> None:
    xml = tmp_path / "machine.xml"
    xml.write_text(MACHINE)
    words = [word.format(xml=xml) for word in args]
    code, out, _ = run(monkeypatch, capsys, [], "encode", *words)
    assert (code, Rlist(out).dumps()) == (0, short)


@pytest.mark.parametrize(
    ("sets", "args", "said"),
    [
        ([], "encode -r 0-3 -H a,b", "hostname count in 'a,b' does not match nranks (4)"),
        (
            [],
            "encode -p x:5",
            "failed to assign properties: rank 5 not found in target resource list",
        ),
        (
            [],
            "encode -p x:y",
            "failed to assign properties: invalid idset 'y' specified for property \"x\"",
        ),
        ([], "encode -r x", "Failed to decode ranks='x' as idset"),
        ([], "encode -H [", "invalid hostlist '['"),
        ([], "encode -l -c 0", "do not specify --cores or --gpus with --local or --xml"),
        ([], "encode -f /no/file", "/no/file: No such file or directory"),
        ([], "decode", "Failed to read an R object: '[' or '{' expected near end of file"),
        ([resources(A)], "decode -i x", "Invalid ranks option: 'x': Invalid argument"),
        ([resources(A)], "decode -x x", "Invalid idset in --exclude option: x: Invalid argument"),
        ([resources(A)], "diff", "diff requires at least 2 resource sets"),
        ([resources(A)], "intersect", "intersect requires at least 2 resource sets"),
        (
            [resources(A, B), resources(B)],
            "append",
            "R objects 'rank[0-1]/core[0-3]' and 'rank1/core[0-3]' overlap",
        ),
    ],
)
def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sets: list[Rlist],
    args: str,
    said: str,
) -> None:
    assert run(monkeypatch, capsys, sets, *args.split()) == (1, "", said)


CONFIGURED = """[[resource.config]]
hosts = "b,a"
cores = "0-7"
gpus = "0-1"
[[resource.config]]
hosts = "a"
cores = "0-3"
properties = ["small"]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CONFIGURED, "rank0/core[0-7],gpu[0-1] rank1/core[0-3],gpu[0-1]"),
        ("[kvs]", "resource.config must be defined"),
        ("[resource]\nconfig = []", "resource.config: no hosts configured"),
        ("[[resource.config]]\nhosts = 'a'", "resource.config: a assigned no resources"),
        ("[[resource.config]]\ncores = '0'", "config[0]: hosts is missing"),
        ("[[resource.config]]\nhosts = '['\n", "config[0]: invalid hostlist '['"),
        ("[[resource.config]]\nhosts = 'a'\ncores = 'x'", "config[0]: invalid idset cores='x'"),
    ],
)
def test_parse_config(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    told: str,
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    code, out, err = run(monkeypatch, capsys, [], "parse-config", str(path))
    if code:
        assert (code, err) == (1, f"Config file error: {told}")
        return
    found = Rlist(out)
    assert (found.dumps(), found.nodelist().encode()) == (told, "b,a")
    assert {name: str(ranks) for name, ranks in found.properties().items()} == {"small": "1"}
