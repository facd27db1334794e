"""The ssh:// connector: what it runs, and how a connection that fails ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import flux
from flux.aio import AsyncFlux
from flux.connect.ssh import command_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUX_SSH", raising=False)
    monkeypatch.delenv("FLUX_SSH_RCMD", raising=False)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ssh://host/a/local", ["ssh", "host", "flux", "relay", "/a/local"]),
        ("ssh://me@host/a", ["ssh", "me@host", "flux", "relay", "/a"]),
        ("ssh://me@Host:42/a", ["ssh", "-p", "42", "me@Host", "flux", "relay", "/a"]),
        ("ssh://[::1]:22/a", ["ssh", "-p", "22", "::1", "flux", "relay", "/a"]),
        ("ssh://host/a%20b?x", ["ssh", "host", "flux", "relay", "'/a b'"]),
    ],
)
def test_the_command(uri: str, words: list[str]) -> None:
    assert command_of(uri) == words


def test_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_SSH", "ssh -i key")
    monkeypatch.setenv("FLUX_SSH_RCMD", "/opt/flux")
    assert command_of("ssh://h/a") == ["ssh", "-i", "key", "h", "/opt/flux", "relay", "/a"]


@pytest.mark.parametrize(
    "uri",
    [
        "ssh://",
        "ssh:///a",
        "ssh://host",
        "ssh://host/",
        "ssh://h:x/a",
        "ssh://-oProxyCommand=x/a",
        "ssh://-l@h/a",
    ],
)
def test_malformed_uris(uri: str) -> None:
    with pytest.raises(OSError, match="ssh://"):
        command_of(uri)


def test_a_program_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_SSH", "/nosuch/ssh")
    with pytest.raises(FileNotFoundError, match="/nosuch/ssh"):
        flux.Flux("ssh://host/a")


def test_a_program_that_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("FLUX_SSH", str(program))
    with pytest.raises(ConnectionResetError, match=r"host: .* \(exit code 255\)"):
        flux.Flux("ssh://host/a")


async def test_a_program_that_ends_for_asyncio(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("FLUX_SSH", str(program))
    with pytest.raises(ConnectionResetError, match=r"host: .* \(exit code 3\)"):
        await AsyncFlux.connect("ssh://host/a")
