"""What no waiting would make reachable."""

from __future__ import annotations

import os
import pwd
import socket
from typing import TYPE_CHECKING

import pytest

from fluxctl.errors import CommandError
from fluxctl.hopeless import refuse_hopeless

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("foo://x", "foo://x: no connector for the foo scheme; a URI begins with local:// or ssh"),
        ("nonsense", "nonsense: 'nonsense' is not a Flux URI; a URI begins with"),
        ("local://", "local://: 'local://' names no socket; a URI begins with"),
        ("local:///" + "x" * 200, "File name too long; a URI begins with"),
    ],
)
def test_what_is_no_uri(uri: str, message: str) -> None:
    with pytest.raises(CommandError) as refusal:
        refuse_hopeless(uri)
    assert message in refusal.value.message


def test_what_may_come_is_waited_for(tmp_path: Path) -> None:
    refuse_hopeless(f"local://{tmp_path}/local-0")
    refuse_hopeless(f"local://{tmp_path}/no/such/directory/local-0")
    refuse_hopeless("ssh://elsewhere/tmp/local-0")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "local-0"))
        refuse_hopeless(f"local://{tmp_path}/local-0")


def test_a_file_is_no_broker(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(CommandError) as refusal:
            refuse_hopeless(f"local://{path}")
        assert "that is no socket of a broker" in refusal.value.message


def test_whoever_may_not_enter_is_told_whom_to_ask() -> None:
    def status(path: str) -> os.stat_result:
        if path.endswith("local-0"):
            raise PermissionError(13, "Permission denied")
        return os.stat("/")

    owner = pwd.getpwuid(os.stat("/").st_uid).pw_name
    with pytest.raises(CommandError) as refusal:
        refuse_hopeless("local:///run/theirs/local-0", status)
    assert refusal.value.message == (
        f"local:///run/theirs/local-0: permission denied: the instance is {owner}'s, "
        "who can let others in (access.allow-guest-user)"
    )
