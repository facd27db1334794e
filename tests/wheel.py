"""The wheel that is built of this tree."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ("flux", "broker", "fluxctl", "tui", "pyproject.toml", "README.md", "LICENSE")
BUILDING = 300.0
"""Seconds that a build may take."""


class NoIndex(Exception):
    """There is no package index to get setuptools from."""


def build_wheel(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheel in an empty folder, of a copy of the sources: a build leaves files beside
    them. Raises NoIndex without a package index, RuntimeError with pip's words if it fails.
    """
    skipped = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, folder / name)
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    argv += ["-w", str(folder / "wheel"), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILDING, check=False)
    if "No matching distribution found for setuptools" in done.stderr:
        raise NoIndex("pip has no index to get setuptools from")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    (path,) = (folder / "wheel").iterdir()
    return path
