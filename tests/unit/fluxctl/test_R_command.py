"""`flux R verify` and `flux R rerank`: what is compared, numbered anew and refused."""

from __future__ import annotations

import io
import json

import pytest

from flux.resource.Rlist import Rlist
from fluxctl import main


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
