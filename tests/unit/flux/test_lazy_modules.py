"""``import flux`` reaches every module of the package, and loads none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import flux
import flux.job
import flux.resource

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PROBE = """
import json, sys
import flux
{}
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] == "flux")))
"""


def loaded_by(statement: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names: list[str] = json.loads(run.stdout)
    return names


def test_the_package_alone_loads_nothing() -> None:
    assert loaded_by("") == ["flux"]


@pytest.mark.parametrize("name", sorted(flux.SUBMODULES))
def test_a_module_is_an_attribute(name: str) -> None:
    assert f"flux.{name}" in loaded_by(f"flux.{name}")


def test_what_the_manual_names_is_reached_by_import_flux_alone() -> None:
    loaded_by(
        "flux.Flux, flux.job.submit, flux.kvs.get, flux.constants.FLUX_NODEID_ANY, "
        "flux.util.parse_fsd, flux.core.handle.Flux, flux.core.watchers.TimerWatcher"
    )
    assert {"job", "kvs", "util", "constants", "Flux"} <= set(dir(flux))


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (package, name)
        for package in (flux.job, flux.resource)
        for name in sorted(package.SUBMODULES)
    ],
)
def test_a_module_of_a_package_is_an_attribute(package: ModuleType, name: str) -> None:
    assert f"{package.__name__}.{name}" in loaded_by(f"{package.__name__}.{name}")


def test_others_may_add_to_the_package(tmp_path: Path) -> None:
    (tmp_path / "flux" / "schedule").mkdir(parents=True)
    (tmp_path / "flux" / "schedule" / "__init__.py").write_text("ANSWER = 42\n")
    run = subprocess.run(
        [sys.executable, "-c", "import flux.schedule as s, flux; flux.Flux; print(s.ANSWER)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (run.stdout, run.stderr) == ("42\n", "")


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = flux.nosuch
