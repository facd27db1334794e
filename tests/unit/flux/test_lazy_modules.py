"""``import flux`` reaches every module of the package, and loads none of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import flux

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


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = flux.nosuch
