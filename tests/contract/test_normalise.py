"""The comparison hides what differs between two runs, and nothing else."""

from __future__ import annotations

import pytest

from tests.contract.normalise import RECORDED, Place, comparable, normalised
from tests.contract.recordings import Recording, load
from tests.contract.replay import TIMED_OUT, Outcome

OURS = Place(
    "/tmp/fc-x/home",
    "local:///tmp/fc-x/flux-AbCdEf/local-0",
    "/tmp/fc-x/flux-AbCdEf",
    "node7",
    "/v/bin:/usr/local/bin:/usr/bin:/bin:/sbin",
)


def recording(line: str, stdout: str = "", stderr: str = "", label: str = "x") -> Recording:
    return Recording(label, tuple(line.split()), 0, stdout, stderr, 0)


SAME = [
    (
        "flux jobs",
        "    ƒ8TuPHh1 root     true  CD  1  1   0.692s vm\n",
        "  ƒ2mnQ8TuPHh1 root     true  CD  1  1  10.692s node7\n",
    ),
    (
        "flux ping kvs",
        "kvs.ping pad=0 seq=0 time=0.9 ms (56c6b5cf!1b91955f)\n",
        "kvs.ping pad=0 seq=0 time=0.21 ms (aaaaaaaa!bbbbbbbb!cccccccc)\n",
    ),
    ("flux job eventlog", "1795220448.895547 submit userid=0\n", "1795220448.1 submit userid=0\n"),
    ("flux mini run pwd", "/home/user\n", "/tmp/fc-x/home\n"),
    (
        "flux job attach -E -X 1",
        '0.050s: exec.shell.task-exit {"localid":0,"rank":0,"state":"Exited"}\n',
        '0.061s: exec.shell.task-exit {"localid":1,"rank":1,"state":"Exited"}\n',
    ),
    (
        "flux dmesg",
        "2026-11-21T00:20:16.607853Z broker.debug[0]: x\n",
        "2027-01-01T00:00:00.1Z broker.debug[0]: x\n",
    ),
]
DIFFERENT = [
    (
        "flux jobs",
        "    ƒ8TuPHh1 root     true  CD  1  1   0.692s vm\n",
        "    ƒ8TuPHh1 root     true   F  1  1   0.692s vm\n",
    ),
    ("flux getattr size", "4\n", "8\n"),
    ("flux kvs get a", "hello\n", "hello"),
    ("flux kvs ls", "a  b\n", "b  a\n"),
    (
        "flux job eventlog",
        "1795220448.895547 submit userid=0\n",
        "1795220448.895547 submit userid=1\n",
    ),
    ("flux content store", "x 12\n", "x 13\n"),
]


@pytest.mark.parametrize(("line", "recorded", "ours"), SAME)
def test_run_dependent_values_compare_equal(line: str, recorded: str, ours: str) -> None:
    of = recording(line)
    assert normalised(ours, OURS, of) == normalised(recorded, RECORDED, of)


@pytest.mark.parametrize(("line", "recorded", "ours"), DIFFERENT)
def test_real_differences_survive(line: str, recorded: str, ours: str) -> None:
    of = recording(line)
    assert normalised(ours, OURS, of) != normalised(recorded, RECORDED, of)


def test_order_counts_except_where_ranks_print_at_once() -> None:
    one, many = recording("flux kvs dir a"), recording("flux exec -l hostname")
    assert comparable("b\na\n", one) != comparable("a\nb\n", one)
    assert comparable("1: x\n0: x\n", many) == comparable("0: x\n1: x\n", many)


def test_the_first_difference_names_stream_and_line() -> None:
    of = recording("flux kvs dir a", stdout="a = 1\nb = 2\n")
    outcome = Outcome(of, 0, "a = 1\nb = 3\n", "", 0.1, OURS)
    assert outcome.difference() == "stdout line 2: 'b = 3\\n', recorded 'b = 2\\n'"
    assert Outcome(of, 1, of.stdout, "", 0.1, OURS).difference() == "exit code 1, recorded 0"
    assert Outcome(of, TIMED_OUT, "", "", 15.0, OURS).difference() == "did not end within 15 s"
    assert Outcome(of, 0, of.stdout, "", 0.1, OURS).difference() is None


def test_recordings_are_complete_and_sorted_into_promised_and_others() -> None:
    by_label = {r.label: r for r in load()}
    assert len(by_label) == 405
    assert by_label["run-vvv"].promised
    assert by_label["flux-nosuch"].promised
    assert not by_label["cron-list"].promised
    assert not by_label["kvs-link"].promised
    assert {r.instance for r in load()} == {0, 1}
