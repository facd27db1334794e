"""What ``pip install`` puts where: the wheel that is built of this tree."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = ("flux", "broker", "fluxctl", "tui", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The wheel, built of a copy: a build leaves files beside its sources."""
    folder = tmp_path_factory.mktemp("tree")
    skipped = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, folder / name)
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    argv += ["-w", str(folder / "wheel"), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("pip has no index to get setuptools from")
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "wheel").iterdir()
    return path


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
