"""What ``pip install`` puts where: the wheel that is built of this tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.wheel import ROOT, NoIndex, build_wheel

if TYPE_CHECKING:
    import pathlib


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    try:
        return build_wheel(tmp_path_factory.mktemp("tree"))
    except NoIndex as error:
        pytest.skip(str(error))


def test_the_manual_is_installed_where_man_looks(
    wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (data,) = tmp_path.glob("fluxctl-*.data/data/share/man")
    for section in (ROOT / "fluxctl" / "man").iterdir():
        pages = {path.name for path in section.iterdir()}
        assert {path.name for path in (data / section.name).iterdir()} == pages
    assert (data / "man1" / "flux-kvs.1").is_file()
    if shutil.which("man") is None:
        pytest.skip("man is not installed (Debian: man-db)")
    done = subprocess.run(
        ["man", "-M", data, "flux-kvs"],
        env={**os.environ, "MANPAGER": "cat", "PAGER": "cat"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "flux-kvs - " in done.stdout
