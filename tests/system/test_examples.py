"""The examples do what they say."""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def run(instance: Instance, example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EXAMPLES / example, *arguments],
        env=instance.environment,
        cwd=instance.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_executor(instance: Instance) -> None:
    done = run(instance, "executor.py", "/etc/passwd", "/etc/group")
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"^(\S+): exit code 0, job \S+", done.stdout, re.MULTILINE)) == [
        "/etc/group",
        "/etc/passwd",
    ]
    assert run(instance, "executor.py", "/nosuch").returncode == 1


def test_follow(instance: Instance) -> None:
    done = run(instance, "follow.py", "true")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(
        line.split(": ")[1].startswith("submit ") and line.endswith(" clean") for line in lines
    )
    assert run(instance, "follow.py", "false").returncode == 1


def test_pipeline(instance: Instance, tmp_path: pathlib.Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.py").write_text("one two three\n")
    done = run(instance, "pipeline.sh", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "stage 1: word counts of 5 files",
        "stage 2: the sum of them",
        "15",
    ]
