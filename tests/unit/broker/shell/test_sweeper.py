"""Temporary directories of ended jobs go, whatever is in them, beside everything else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broker.shell.sweeper import Sweeper

if TYPE_CHECKING:
    from pathlib import Path


def test_directories_are_removed_by_a_thread(tmp_path: Path) -> None:
    sweeper, deadline = Sweeper(), time.monotonic() + 30
    for turn in range(2):
        made = [tmp_path / f"{turn}-{number}" for number in range(20)]
        for path in made:
            path.mkdir()
            sweeper.add(str(path))
        while any(path.exists() for path in made):
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_what_is_in_them_goes_too_and_what_is_gone_is_gone(tmp_path: Path) -> None:
    full, gone = tmp_path / "full", tmp_path / "gone"
    (full / "inside").mkdir(parents=True)
    (full / "inside" / "file").write_text("x")
    sweeper = Sweeper()
    for path in (str(gone), str(full), ""):
        sweeper.add(path)
    sweeper.sweep()
    deadline = time.monotonic() + 30
    while full.exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
