"""The lazy flux.job package: every name loads, and none is hidden by its module."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import flux.job


@pytest.mark.parametrize("name", flux.job.__all__)
def test_every_name_loads(name: str) -> None:
    value = getattr(flux.job, name)
    assert callable(value) or name == "MAIN_EVENTS"
    assert not isinstance(value, ModuleType)
    assert name in dir(flux.job)


@pytest.mark.parametrize("name", ["JobID", "Jobspec", "submit", "wait", "kill"])
def test_importing_a_module_leaves_the_name_alone(name: str) -> None:
    importlib.import_module(f"flux.job.{name}")
    assert not isinstance(getattr(flux.job, name), ModuleType)


def test_one_name_does_not_load_the_others() -> None:
    probe = (
        "import sys; from flux.job import JobID; "
        "print(*(m for m in sys.modules if m.startswith('flux.job.')))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["flux.job.JobID"]
