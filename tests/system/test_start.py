"""`flux start`: exit codes, signals, what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux, running_instance

from .watching import PATIENCE, still_there, tree

if TYPE_CHECKING:
    import pathlib

FLUX = default_flux()


def start(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [str(FLUX), "start", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=env)


@pytest.mark.parametrize("size", ["-s1", "-s3", None])
def test_the_exit_code_is_the_programs(size: str | None) -> None:
    done = start(*filter(None, [size]), "sh", "-c", "exit 7")
    assert done.returncode == 7
    assert "broker.err[0]: rc2.0: sh -c exit 7 Exited (rc=7)" in done.stderr


def test_a_single_word_is_run_by_a_shell_and_may_be_missing() -> None:
    done = start("-s2", "nosuchprogram")
    assert done.returncode == 127
    assert "/bin/bash: line 1: nosuchprogram: command not found" in done.stderr
    assert "exited with rc=127" in done.stderr


@pytest.mark.parametrize("size", ["0", "-1", "x"])
def test_a_bad_size_is_refused(size: str) -> None:
    done = start(f"--test-size={size}", "true")
    assert (done.returncode, done.stderr) == (1, "flux-start: --test-size argument must be > 0\n")


def test_noexec_shows_the_brokers() -> None:
    done = start("-X", "-v", "-s2", "true")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [line.split(":")[1] for line in lines] == [" 0", " 1"]
    assert lines[0].endswith(" true")


def test_attributes_and_fanout() -> None:
    done = start(
        "-o,--setattr=tbon.fanout=1",
        "-s3",
        "sh",
        "-c",
        "flux getattr tbon.maxlevel; flux getattr tbon.descendants",
    )
    assert done.stdout.split() == ["2", "2"]
    assert start("-o,--setattr=rank=5", "true").returncode == 1


def test_links_over_tcp_work_as_well() -> None:
    done = start(
        "-o,--setattr=tbon.prefertcp=1",
        "-s3",
        "sh",
        "-c",
        "flux getattr tbon.endpoint; flux ping -c1 2!kvs",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tcp://")


def test_a_program_learns_its_instance_and_not_its_bootstrap() -> None:
    done = start("-s2", "sh", "-c", "env | cut -d= -f1 | grep -E '^(PMI|FLUX_URI)'")
    assert done.stdout.split() == ["FLUX_URI"]


def test_the_rundir_is_private_and_removed() -> None:
    done = start("-s2", "sh", "-c", "d=$(flux getattr rundir); echo $d; stat -c %a $d $d/local-0")
    folder, *modes = done.stdout.split()
    assert modes == ["700", "700"]
    assert not os.path.exists(folder)


def test_a_given_rundir_is_kept_with_test_rundir(tmp_path: pathlib.Path) -> None:
    done = start("-s1", f"--test-rundir={tmp_path}", "flux", "getattr", "rundir")
    assert done.stdout.strip() == str(tmp_path)
    assert tmp_path.is_dir()
    made = tmp_path / "made"
    assert start("-s1", f"--rundir={made}", "true").returncode == 0
    assert not made.exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("size", [1, 3])
def test_a_signal_ends_the_instance_in_order(signum: signal.Signals, size: int) -> None:
    with running_instance(size) as instance:
        everything = tree(instance.process.pid)
        os.killpg(instance.process.pid, signum)
        code = instance.process.wait(PATIENCE)
        assert code in (128 + signum, 130, 143)
        assert not still_there(everything)
        assert not os.path.exists(instance.rundir)


def test_rc1_and_rc3_may_be_scripts_or_nothing(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "rc1"
    script.write_text("#!/bin/sh\nflux getattr rank >$OUT\nflux module load barrier\n")
    script.chmod(0o755)
    out = tmp_path / "out"
    done = start(
        f"-o,-Sbroker.rc1_path={script},-Sbroker.rc3_path=",
        "flux",
        "module",
        "list",
        env={**os.environ, "OUT": str(out)},
    )
    assert out.read_text() == "0\n"
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "Module",
        "connector-local",
        "barrier",
    ]
    none = start("-o,-Sbroker.rc1_path=,-Sbroker.rc3_path=", "flux", "module", "list")
    assert len(none.stdout.splitlines()) == 2


def test_a_failing_rc1_ends_the_instance() -> None:
    done = start("-o,-Sbroker.rc1_path=false", "true")
    assert done.returncode == 1
    assert "rc1.0: /bin/bash -c false Exited (rc=1)" in done.stderr


def test_an_instance_of_sixteen() -> None:
    done = start(
        "-s16", "sh", "-c", "flux getattr size; flux ping -c1 15 >/dev/null && echo reached"
    )
    assert done.stdout.split() == ["16", "reached"]


def test_wrapped_brokers_are_executed() -> None:
    done = start("--wrap=env,WRAPPED=1", "-s2", "sh", "-c", "echo $WRAPPED")
    assert done.stdout == "1\n", done.stderr
