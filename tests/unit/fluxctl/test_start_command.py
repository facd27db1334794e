"""``flux start`` from its command line: what is refused, and what would be run."""

from __future__ import annotations

import pytest

from fluxctl.main import invoke

TEST_ONLY = [
    "--rundir=",
    "--test-hosts=a",
    "--test-exit-timeout=1s",
    "--test-exit-mode=any",
    "--test-start-mode=all",
    "--test-rundir=/tmp",
    "--test-rundir-cleanup",
    "--test-pmi-clique=none",
]


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the message of a command that is to fail before anything is started."""
    assert invoke("start", [*words, "-X", "true"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.mark.parametrize("word", TEST_ONLY)
def test_options_of_test_instances_need_a_size(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    name = word.partition("=")[0]
    assert refusal(capsys, word) == f"flux-start: {name} can only be used with --test-size\n"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--test-size=0", "--test-size argument must be > 0"),
        ("--test-size=two", "--test-size argument must be > 0"),
        ("--test-hosts=a[", "could not parse hostlist: a["),
        ("--test-hosts=a,b", "TEST_HOSTS hostlist has incorrect size"),
        ("--test-exit-timeout=soon", "--test-exit-timeout: invalid duration 'soon'"),
        ("--test-exit-mode=none", "--test-exit-mode must be one of any, leader"),
        ("--test-start-mode=none", "--test-start-mode must be one of all, leader"),
        ("--test-pmi-clique=per-node", "unsupported test-pmi-clique mode: per-node"),
        ("--caliper-profile=x", "Error: Flux was not built with caliper"),
        ("--verbose=much", "--verbose=much: expected a number"),
    ],
)
def test_words_that_mean_nothing_are_refused(
    capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert refusal(capsys, "--test-size=1", word) == f"flux-start: {message}\n"


def test_lists_are_split_and_empty_words_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-vX", "-o", "-Sa=b,,-Sc=d", "-o", "-Se=f", "--wrap=strace,-f", "--wrap=time"]
    assert invoke("start", [*words, "true", "-x"]) == 0
    run = capsys.readouterr().err.split()
    assert run[:4] == ["flux-start:", "strace", "-f", "time"]
    assert run[-5:] == ["-Sa=b", "-Sc=d", "-Se=f", "true", "-x"]
