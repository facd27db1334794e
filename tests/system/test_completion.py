"""Completion: what the shell scripts get from `flux` for the words typed so far."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def words(typed: str, environment: dict[str, str] | None = None) -> list[str]:
    """Return what completes the last word of a command line."""
    request = {
        "_FLUX_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    done = subprocess.run(
        [default_flux()],
        env={**os.environ, **(environment or {}), **request},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("flux k", ["keygen", "kvs"]),
        ("flux --v", ["--verbose", "--version"]),
        ("flux kvs r", ["readlink"]),
        ("flux kvs get --w", ["--waitcreate", "--watch"]),
        ("flux job wait", ["wait-event", "wait"]),
        ("flux mini submit --cc", ["--cc"]),
        ("flux jobs --color a", ["always", "auto"]),
        ("flux kvs nosuch x", []),
        ("flux mini nosuch x", []),
        ("flux job cancel ", []),
    ],
)
def test_words(typed: str, expected: list[str]) -> None:
    assert words(typed, {"FLUX_URI": ""}) == expected


def test_job_ids(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    for typed in ("", "f", jobid[:3], jobid):
        assert words(f"flux job cancel {typed}", instance.environment) == [jobid]
    assert words("flux job cancel 9", instance.environment) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    done = subprocess.run(
        [default_flux()],
        env={**os.environ, "_FLUX_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert f"_FLUX_COMPLETE={shell}_complete" in done.stdout
    if program := shutil.which(shell):
        assert (
            subprocess.run(
                [program, "-n"], input=done.stdout, text=True, timeout=60, check=False
            ).returncode
            == 0
        )
