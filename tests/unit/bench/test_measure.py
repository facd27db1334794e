"""Figures: samples taken in turns, targets judged honestly, failures shown."""

from __future__ import annotations

import pathlib

import pytest

from bench.measure import Figure, Program, Series, Target, paired, programs
from bench.run_all import number, page, row, verdict

OURS = Program("ours", pathlib.Path("/bin/true"))
PEER = Program("flux-core", pathlib.Path("/bin/true"))


def test_samples_alternate_and_the_warm_up_is_dropped() -> None:
    calls: list[str] = []

    def sample(program: Program) -> float:
        calls.append(program.name)
        return float(len(calls))

    figure = paired("x", "s", Target(), sample, repeat=2, among=[OURS, PEER], warm_up=1)
    assert calls == ["ours", "flux-core"] * 3
    assert figure.series["ours"].samples == (3.0, 5.0)
    assert figure.series["flux-core"].samples == (4.0, 6.0)


def test_a_program_that_fails_is_noted_and_not_asked_again() -> None:
    calls = 0

    def sample(program: Program) -> float:
        nonlocal calls
        if program is PEER:
            calls += 1
            raise RuntimeError("no such command")
        return 1.0

    figure = paired("x", "s", Target(), sample, repeat=3, among=[OURS, PEER], warm_up=0)
    assert calls == 1
    assert set(figure.series) == {"ours"}
    assert figure.errors == ("flux-core: no such command",)


@pytest.mark.parametrize(
    ("target", "ours", "peer", "expected"),
    [
        (Target(bound=10), 9, None, "≤ 10: hit"),
        (Target(bound=10), 11, None, "≤ 10: **missed**"),
        (Target(100, 5.0, True), 160, 32, "≥ 100: hit; ≥ 5 × flux-core: hit"),
        (Target(100, 5.0, True), 150, 32, "≥ 100: hit; ≥ 5 × flux-core: **missed**"),
        (Target(ratio=0.5), 3, None, "≤ 0.5 × flux-core: not paired in this run"),
        (Target(), 3, None, "none"),
    ],
)
def test_verdict(target: Target, ours: float, peer: float | None, expected: str) -> None:
    assert (
        verdict(target, Series((ours,)), Series((peer,)) if peer is not None else None) == expected
    )


def test_what_could_not_be_measured_counts_as_missed() -> None:
    line = row(
        Figure("jobs", "jobs/s", Target(bound=1), {}, errors=("ours: broken",)), with_peer=False
    )
    assert "not measured: ours: broken" in line
    assert line.endswith("**missed** |")


def test_numbers_have_three_digits_and_no_exponent() -> None:
    assert [number(value) for value in (0.01234, 1.2345, 12.345, 1234.5)] == [
        "0.0123",
        "1.23",
        "12.3",
        "1234",
    ]


def test_the_page_has_a_column_for_the_peer_only_when_there_is_one() -> None:
    figure = Figure(
        "start", "s", Target(bound=1), {"ours": Series((0.5,)), "flux-core": Series((1.0,))}
    )
    alone = page([figure], [OURS], ["- Machine: x"], 60.0)
    both = page([figure], [OURS, PEER], ["- Machine: x"], 60.0)
    assert "PEER_FLUX" in alone
    assert "| ratio |" not in alone
    assert "| ratio |" in both
    assert "| 0.50 |" in both
    assert "- Machine: x" in both


def test_a_peer_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("PEER_FLUX", str(tmp_path))
    with pytest.raises(SystemExit, match="no executable flux there"):
        programs()
