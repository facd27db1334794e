"""`flux logger` and `flux dmesg` on a live instance."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import background, line, until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture(autouse=True)
def _cleared(instance: Instance) -> None:
    assert instance.run("dmesg", "-C").returncode == 0


def entries(instance: Instance, *words: str) -> list[str]:
    """What `flux dmesg` prints of the programs that log here, without the time."""
    lines = instance.run("dmesg", *words).stdout.splitlines()
    return [line.split(" ", 1)[1] for line in lines if "broker." not in line]


def test_a_message_of_several_lines_is_several_entries(instance: Instance) -> None:
    assert instance.run("logger", "-n", "me", "one\ntwo\n\nthree", "four\n").returncode == 0
    assert entries(instance) == [f"me.info[0]: {text}" for text in ("one", "two", "three four")]


def test_without_a_message_lines_of_standard_input_are_logged(instance: Instance) -> None:
    said = b"one\r\n\n  two\n\0\n" + "\u0192three\n".encode() + b"\xc1\xc2 four\0"
    run = subprocess.run(
        [instance.flux, "logger", "-s", "warning", "-n", "me"],
        env=instance.environment,
        input=said,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    texts = ["one", "  two", "\u0192three", "AB four"]
    assert entries(instance) == [f"me.warning[0]: {text}" for text in texts]


def test_no_lines_are_no_entries(instance: Instance) -> None:
    assert instance.run("logger", stdin="").returncode == 0
    assert instance.run("logger", "").returncode == 0
    assert entries(instance) == []


def test_levels_and_files_count_at_once(instance: Instance) -> None:
    file = instance.base / "file"
    assert instance.run("setattr", "log-filename", str(file)).returncode == 0
    assert instance.run("setattr", "log-level", "3").returncode == 0
    instance.run("logger", "-n", "me", "-s", "info", "only in the file")
    instance.run("logger", "-n", "me", "-s", "err", "in both")
    assert instance.run("setattr", "log-level", "7").returncode == 0
    assert instance.run("setattr", "log-filename", "").returncode == 0
    instance.run("logger", "-n", "me", "only in the ring")
    assert entries(instance) == ["me.err[0]: in both", "me.info[0]: only in the ring"]
    written = [line.split(" ", 1)[1] for line in file.read_text().splitlines() if " me." in line]
    assert written == ["me.info[0]: only in the file", "me.err[0]: in both"]


@pytest.mark.parametrize("name", ["/nosuch/log", "/"])
def test_a_file_that_cannot_be_written_is_refused(instance: Instance, name: str) -> None:
    run = instance.run("setattr", "log-filename", name)
    assert run.returncode == 1
    assert run.stderr.startswith(f"flux-setattr: flux_attr_set: {name}: ")


def test_a_broker_of_another_rank_has_no_file(instance: Instance) -> None:
    run = instance.run("exec", "-r1", "flux", "setattr", "log-filename", "/tmp/none")
    assert "Operation not permitted" in run.stderr


def test_clearing_comes_after_printing_also_when_more_is_waited_for(instance: Instance) -> None:
    instance.run("logger", "-n", "me", "first")
    with background(instance, "dmesg", "-c", "-f") as follower:
        assert line(follower).endswith("me.info[0]: first\n")
        until_equal(lambda: entries(instance), [])
        instance.run("logger", "-n", "me", "second")
        assert line(follower).endswith("me.info[0]: second\n")
    assert entries(instance) == ["me.info[0]: second"]
