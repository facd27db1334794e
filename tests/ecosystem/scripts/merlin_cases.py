"""What Merlin finds out about Flux (its workers need a redis server)."""

import pathlib
import subprocess
import types

import cases
from merlin.study import batch
from merlin.utils import get_flux_alloc, get_flux_cmd, get_flux_version


def version():
    own = subprocess.run(["flux", "version"], capture_output=True, text=True, check=True).stdout
    assert get_flux_version("flux") in own


def commands():
    for found in (get_flux_cmd("flux"), get_flux_alloc("flux")):
        subprocess.run([*found.split(), "-n1", "echo", "hello"], check=True, timeout=60)


def scheduler():
    legend = batch.construct_scheduler_legend(batch.parse_batch_block({"type": "flux"}), 1)
    assert batch.check_for_scheduler("flux", legend)
    assert batch.get_batch_type(legend) == "flux"


def launcher():
    out = pathlib.Path("launched").absolute()
    spec = types.SimpleNamespace(batch={"type": "flux", "nodes": 1})
    line = batch.batch_worker_launch(spec, f"sh -c 'echo worker >{out}'", nodes=1)
    assert "flux" in line, line
    subprocess.run(line, shell=True, check=True, timeout=60)
    assert out.read_text() == "worker\n"


if __name__ == "__main__":
    cases.run(version, commands, scheduler, launcher)
