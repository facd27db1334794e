"""Rules of ``--rlimit``, and what ``--signal`` and ``--taskmap`` put into a jobspec."""

from __future__ import annotations

import resource

import pytest

from flux.job.options.rlimits import LIMITS, NOT_BY_DEFAULT, build_rlimits
from fluxctl.errors import CommandError
from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.options import MiniOptions


def soft(name: str) -> int:
    return resource.getrlimit(LIMITS[name])[0]


def test_all_but_a_few_go_along() -> None:
    found = build_rlimits([])
    assert found.keys() == LIMITS.keys() - NOT_BY_DEFAULT
    assert {"core", "nofile", "stack"} <= found.keys()
    assert found["nofile"] == soft("nofile")


def test_rules_are_taken_in_their_order() -> None:
    assert build_rlimits(["-*", "core=5"]) == {"core": 5}
    assert build_rlimits(["core=5,-*,NOFILE=unlimited"]) == {"nofile": -1}
    assert build_rlimits(["-*", "mem*"]) == {"memlock": soft("memlock")}
    assert build_rlimits(["*"]).keys() == LIMITS.keys()
    assert "cpu" not in build_rlimits(["-cpu", "-nosuch"])


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("nosuch", 'No corresponding rlimit matching "nosuch"'),
        ("nosuch=1", 'Invalid rlimit "nosuch"'),
        ("nofile=bad", "Invalid value in nofile=bad"),
        ("nofile=-1", "Invalid value in nofile=-1"),
    ],
)
def test_bad_rules(rule: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build_rlimits([rule])
    with pytest.raises(CommandError, match=f"ERROR: {text}"):
        JobspecBuilder().tasks(MiniOptions(rlimit=[rule]), ["true"])


def test_the_shell_options_of_a_job() -> None:
    options = MiniOptions(signal="USR2@1.5m", taskmap="manual:[[0,1,1,1]]", rlimit=["-*,cpu=9"])
    jobspec = JobspecBuilder().tasks(options, ["true"]).jobspec
    assert jobspec["attributes"]["system"]["shell"]["options"] == {
        "signal": {"signum": 12, "timeleft": 90.0},
        "taskmap": {"scheme": "manual", "value": "[[0,1,1,1]]"},
        "rlimit": {"cpu": 9},
    }
    plain = JobspecBuilder().tasks(MiniOptions(), ["true"]).jobspec
    assert "options" not in plain["attributes"]["system"].get("shell", {})


def test_a_bad_signal() -> None:
    with pytest.raises(CommandError, match="--signal=x@1s: signal 'x' is invalid"):
        JobspecBuilder().tasks(MiniOptions(signal="x@1s"), ["true"])
