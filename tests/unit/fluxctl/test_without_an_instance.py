"""Every command of the table outside an instance, and with a socket that no broker answers at: one
sentence that says so, and at a terminal what to do.
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

import pytest

from fluxctl import hints
from tests.option_fuzz import BASE, FIRST, Run, commands, harmless, run_here

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

ALONE = {
    *(
        "config builtin",
        "cron help",
        "cron tab",
        "env",
        "help",
        "job id",
        "job namespace",
        "fortune",
        "job-validator",
        "jobspec srun",
        "keygen",
        "lptest",
        "modprobe list-dependencies",
        "modprobe run",
        "modprobe show",
        "multi-prog",
    ),
    *("module info", "start", "R encode", "R append", "R decode", "R diff", "R intersect"),
    *("R parse-config", "R remap", "R union", "R set-property", "R rerank", "R verify", "relay"),
    *("modprobe list-dependencies", "modprobe show"),
    *("pmi barrier", "pmi exchange", "pmi get"),
}
"""Commands that need no instance for what they do here."""

PATIENT = {"seg"}
"""Commands that wait for a broker that has gone: tests/system/test_seg.py."""

ARGUMENTS = {
    "alloc": ("-n1", "true"),
    "batch": ("-n1", "--wrap", "true"),
    "content checkpoint update": ("sha1-" + "0" * 40,),
    "housekeeping kill": ("--all",),
    "mini alloc": ("-n1", "true"),
    "mini batch": ("-n1", "--wrap", "true"),
    "restore": ("--key=restored", "archive.tar"),
}
"""Other arguments than those of `BASE`, with which an instance is asked for."""

PATHS = [path for path, _ in commands()]
STARTED = "(this is no Flux instance: start one with `flux start', or set FLUX_URI to attach)"


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "archive.tar").write_bytes(b"\0" * 10240)
    with harmless(tmp_path, monkeypatch):
        yield


@pytest.fixture
def dead(tmp_path: pathlib.Path) -> str:
    """The URI of a socket whose broker has gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "local-0"))
    return f"local://{tmp_path}/local-0"


def run(path: str, folder: pathlib.Path, uri: str | None = None, *, terminal: bool = False) -> Run:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    if uri is not None:
        environment["FLUX_URI"] = uri
    line = [*path.split(), *FIRST.get(path, ()), *ARGUMENTS.get(path, BASE.get(path, ()))]
    return run_here(line, environment, 20.0, terminal=terminal)


def sentences(path: str, number: int, reason: str) -> tuple[str, str]:
    """The words of C commands and of Python commands for no connection."""
    name = path.split(maxsplit=1)[0]
    return (
        f"flux: flux_open: {reason}",
        f"flux-{name}: ERROR: [Errno {number}] Unable to connect to Flux",
    )


@pytest.mark.parametrize("path", sorted(set(PATHS) - ALONE - PATIENT - {"version"}))
def test_a_command_outside_an_instance(path: str, tmp_path: pathlib.Path) -> None:
    plain = run(path, tmp_path)
    assert plain.code == 1
    assert plain.errors.rstrip("\n") in sentences(path, 2, "No such file or directory")
    shown = run(path, tmp_path, terminal=True)
    assert (shown.code, shown.errors) == (1, f"{plain.errors.rstrip()} {STARTED}\n")


@pytest.mark.parametrize("path", sorted(set(PATHS) - ALONE - PATIENT))
def test_a_command_whose_broker_has_gone(path: str, tmp_path: pathlib.Path, dead: str) -> None:
    plain = run(path, tmp_path, dead)
    assert plain.code == 1
    assert plain.errors.rstrip("\n") in sentences(path, 111, "Connection refused")
    shown = run(path, tmp_path, dead, terminal=True)
    hint = f"(no broker answers at {dead}, which FLUX_URI names)"
    assert (shown.code, shown.errors) == (1, f"{plain.errors.rstrip()} {hint}\n")


@pytest.mark.parametrize("path", sorted(ALONE))
def test_a_command_that_needs_no_instance(path: str, tmp_path: pathlib.Path, dead: str) -> None:
    for uri in (None, dead):
        assert "flux_open" not in run(path, tmp_path, uri).errors
        assert "Unable to connect" not in run(path, tmp_path, uri).errors


def groups() -> Iterator[tuple[str, str]]:
    """Yield each group of sub-commands with one of its names."""
    for path in PATHS:
        group, _, name = path.rpartition(" ")
        if group and len(name) > 3:
            yield group, name


@pytest.mark.parametrize(("group", "name"), sorted(dict(groups()).items()))
def test_a_mistyped_sub_command_names_the_one_that_is_meant(
    group: str, name: str, tmp_path: pathlib.Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    swapped = name[:-2] + name[-1] + name[-2]
    done = run_here([*group.split(), swapped], environment, 20.0, terminal=True)
    assert done.code in (1, 2)
    told = re.findall(r"did you mean ([^ ?]+)\?", done.errors)
    assert told == [name]


def test_hints_are_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hints.did_you_mean("szie", lambda: ["size"]) == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert hints.did_you_mean("szie", lambda: ["size", "rank"]) == " (did you mean size?)"
    assert hints.did_you_mean("nothing", lambda: ["size", "rank"]) == ""


def test_a_hint_that_cannot_be_had_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> list[str]:
        raise ConnectionResetError

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert hints.did_you_mean("szie", gone) == ""
