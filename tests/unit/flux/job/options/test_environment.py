"""Rules for a job's environment, as recorded and as in the manual."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flux.job.options.environment import build_environment

if TYPE_CHECKING:
    from pathlib import Path

PROCESS = {"PATH": "/bin", "LOGNAME": "root", "LANG": "C.UTF-8", "HOME": "/home/user", "OMP_A": "1"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], PROCESS),
        (["-*"], {}),
        (["-/.*/"], {}),
        (["-*", "PATH", "FOO=bar", "BAZ=${FOO}x"], {"PATH": "/bin", "FOO": "bar", "BAZ": "barx"}),
        (["-*", "L*", "/^HO/"], {"LOGNAME": "root", "LANG": "C.UTF-8", "HOME": "/home/user"}),
        (["-*", "PATH=/bin", "PATH=$PATH:/usr/bin"], {"PATH": "/bin:/usr/bin"}),
        (["-*", "X=$HOME"], {"X": "/home/user"}),
        (["-*", "X=$$HOME"], {"X": "$HOME"}),
        (["-*", "PATH=/x", "PATH"], {"PATH": "/x"}),
        (["-*", "NOSUCH*"], {}),
    ],
)
def test_rules(rules: list[str], expected: dict[str, str]) -> None:
    assert build_environment(rules, PROCESS) == expected


def test_order_is_that_of_the_rules() -> None:
    assert list(build_environment(["-*", "HOME", "A=1", "PATH"], PROCESS)) == ["HOME", "A", "PATH"]


def test_rules_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").write_text("# comment\n-*\n\nOMP*\nFOO=bar\nBAR=${FOO}/baz\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build_environment(["^~/rules"], PROCESS) == {
        "OMP_A": "1",
        "FOO": "bar",
        "BAR": "bar/baz",
    }
    (tmp_path / "bytes").write_bytes(b"A=caf\xe9\r\n# \xff\nB=$A\n")
    found = build_environment(["-*", f"^{tmp_path}/bytes"], PROCESS)
    assert [os.fsencode(value) for value in found.values()] == [b"caf\xe9"] * 2
    with pytest.raises(FileNotFoundError):
        build_environment(["^" + str(tmp_path / "nosuch")], PROCESS)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("BAZ=$NOSUCH", r"--env: Variable 'NOSUCH' not found in BAZ=\$NOSUCH"),
        (
            "BAZ=${X:-1}",
            r"--env: Unable to substitute BAZ=\$\{X:-1\}: "
            r"Invalid placeholder",
        ),
        ("-/(/", "invalid regular expression"),
    ],
)
def test_bad_rules(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_environment([rule], PROCESS)


def test_default_is_this_process() -> None:
    assert build_environment([]) == dict(os.environ)
