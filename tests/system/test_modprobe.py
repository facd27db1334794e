"""Brokers whose modules `flux modprobe` loads and unloads."""

from __future__ import annotations

import os
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


MODULE = """
from flux.brokermod import BrokerModule, request_handler


class Own(BrokerModule):
    @request_handler("args")
    def told(self, msg):
        self.handle.respond(msg, {"args": list(self.args)})
"""
RC1 = """
from flux import kvs
from flux.modprobe import task


def setup(context):
    if context.rank == 0:
        context.load_modules(["service"])
        context.setopt("own", "b=2")


@task("mark", ranks="0", after=["own", "kvs"])
def mark(context):
    context.setenv("MARKED", "yes")
    kvs.put(context.handle, "marked", context.rpc("own.args"))
    kvs.commit(context.handle)
"""
RC3 = """
from flux.modprobe import task


@task("end", ranks="0", before=["own"])
def end(context):
    print("end", context.rpc("own.args")["args"], context.getenv("MARKED"), flush=True)
"""
TOML = """
[[modules]]
name = "own"
module = "{module}"
provides = ["service"]
args = ["a=1"]

[cron]
disabled = true
"""


def _site(tmp_path: pathlib.Path) -> dict[str, str]:
    for name in ("modprobe.d", "rc1.d", "rc3.d"):
        (tmp_path / name).mkdir()
    module = tmp_path / "own.py"
    module.write_text(MODULE)
    (tmp_path / "modprobe.d/own.toml").write_text(TOML.format(module=module))
    (tmp_path / "rc1.d/mark.py").write_text(RC1)
    (tmp_path / "rc3.d/end.py").write_text(RC3)
    return {**os.environ, "FLUX_MODPROBE_PATH": str(tmp_path)}


def _start(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [default_flux(), "start", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environ,
    )


def test_brokers_start_and_end_with_the_files_of_a_site(tmp_path: pathlib.Path) -> None:
    environ = _site(tmp_path)
    program = "echo $MARKED; flux kvs get marked; flux module list -n -o {name}; flux run echo ran"
    archive = tmp_path / "archive.tgz"
    done = _start(environ, "-s2", f"-Scontent.dump={archive}", "sh", "-c", program)
    assert done.returncode == 0, done.stderr
    marked, args, *names, ran, end = done.stdout.splitlines()
    assert (marked, args, ran) == ("yes", '{"args":["a=1","b=2"]}', "ran")
    assert end == "end ['a=1', 'b=2'] yes"
    assert "own" in names
    assert "cron" not in names
    again = _start(environ, f"-Scontent.restore={archive}", "flux", "kvs", "get", "marked")
    assert again.stdout.splitlines()[0] == args, again.stderr


def test_a_broken_file_of_a_site_keeps_the_broker_from_starting(tmp_path: pathlib.Path) -> None:
    environ = _site(tmp_path)
    bad = tmp_path / "modprobe.d/x.toml"
    bad.write_text("[kvs]\nnope = 1\n")
    done = _start(environ, "true")
    assert done.returncode == 1
    assert f"flux-modprobe: ERROR: {bad}: kvs: invalid config key nope" in done.stderr
