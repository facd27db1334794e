"""Brokers whose modules `flux modprobe` loads and unloads."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from flux.testing.instance import default_flux, running_instance

if TYPE_CHECKING:
    import pathlib


def test_scripts_of_a_site_load_and_unload_all_modules(tmp_path: pathlib.Path) -> None:
    told = tmp_path / "told"
    rc1 = f"flux modprobe rc1 && echo rc1 >>{told}"
    rc3 = f"flux modprobe rc3 && flux module list -n -o '{{name}}' >>{told}"
    done = subprocess.run(
        [
            *(default_flux(), "start", "-s2", "-S", f"broker.rc1_path={rc1}"),
            *("-S", f"broker.rc3_path={rc3}", default_flux(), "run", "-n2", "echo", "ran"),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ran\nran\n"), done.stderr
    assert told.read_text().split() == ["rc1", "rc1", "connector-local", "connector-local"]


def test_the_scheduler_goes_and_comes_back() -> None:
    with running_instance(1) as instance:
        assert instance.run("modprobe", "remove", "sched").returncode == 0
        assert "sched-simple" not in instance.run("module", "list").stdout
        refused = instance.run("modprobe", "remove", "job-manager")
        assert refused.returncode == 1
        assert "job-manager still in use by job-exec, job-info" in refused.stderr
        assert instance.run("modprobe", "load", "sched").returncode == 0
        assert instance.run("run", "true").returncode == 0
