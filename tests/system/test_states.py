"""The states of an instance as scripts see them, and the quorum it waits for."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux

from .watching import PATIENCE, ending

if TYPE_CHECKING:
    import pathlib

FLUX = default_flux()

MONITOR = """
import sys, flux
h = flux.Flux()
print(h.rpc("state-machine.monitor", {}, flags=%d).get()["state"])
"""
QUORUM = """
import flux
print(flux.Flux().rpc("state-machine.quorum-get", {}, nodeid=0).get()["idset"])
"""


def start(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    argv = [str(FLUX), "start", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


def program(path: pathlib.Path, text: str) -> str:
    path.write_text(text)
    return f"{FLUX.parent}/python {path}"


def test_every_script_of_an_instance_learns_its_state(tmp_path: pathlib.Path) -> None:
    # The first answer of a stream, or the only one to a request that wants no stream.
    ask = program(tmp_path / "once.py", MONITOR % 0)
    rc1 = f"{ask}; flux admin cleanup-push '{ask}'"
    options = f"-o,-Sbroker.rc1_path={rc1},-Sbroker.rc3_path={ask}"
    done = start("-s1", options, "sh", "-c", ask)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "4", "5", "7"]


def test_the_quorum_has_all_ranks(tmp_path: pathlib.Path) -> None:
    ask = program(tmp_path / "quorum.py", QUORUM)
    done = start("-s3", "sh", "-c", ask)
    assert (done.stdout, done.returncode) == ("[0-2]\n", 0), done.stderr


def test_a_quorum_of_rank_0_does_not_wait_for_the_others(tmp_path: pathlib.Path) -> None:
    ask = program(tmp_path / "quorum.py", QUORUM)
    go = tmp_path / "go"
    rc1 = f"test $(flux getattr rank) = 0 || while ! test -e {go}; do sleep 0.02; done"
    options = f"-o,-Sbroker.quorum=0,-Sbroker.rc1_path={rc1}"
    done = start("-s2", options, "sh", "-c", f"{ask}; touch {go}")
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


@pytest.mark.parametrize(
    ("size", "quorum", "said"),
    [
        (1, "badids", ""),
        (1, "0-1", ": exceeds size"),
        (3, "0-3", ": exceeds size"),
        (1, "0-4000000000", ": exceeds size"),
    ],
)
def test_a_quorum_that_cannot_be_is_refused(size: int, quorum: str, said: str) -> None:
    done = start(f"-s{size}", f"-o,-Sbroker.quorum={quorum}", "true")
    assert done.returncode == 1
    assert f"flux-broker: Error parsing broker.quorum attribute{said}\n" in done.stderr


def site_rc1(dies: int, before: str = "exit 1") -> str:
    """Return an rc1 in which rank ``dies`` does ``before``, and the others load their modules."""
    leader = "content-sqlite kvs kvs-watch resource job-ingest job-info job-manager job-list"
    leader += " job-exec sched-simple barrier heartbeat"
    return (
        f"rank=$(flux getattr rank); test $rank = {dies} && {{ {before}; }}; test $rank = 0"
        f" && set -- {leader} || set -- kvs kvs-watch resource job-ingest job-info barrier;"
        " for name; do flux module load $name || exit 1; done"
    )


def test_a_lost_rank_of_the_quorum_ends_the_start_and_is_named() -> None:
    for quorum in ((), ("-o,-Sbroker.quorum=0-1",)):
        rc1 = "test $(flux getattr rank) != 1"
        done = start("-s3", *quorum, f"-o,-Sbroker.rc1_path={rc1}", "echo", "never")
        assert (done.returncode, done.stdout) == (1, "")
        assert "rank 1 of broker.quorum was lost before the instance ran" in done.stderr


def test_a_quorum_that_takes_too_long_ends_the_start_and_is_named(tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    rc1 = f"test $(flux getattr rank) = 0 || exec cat {gate}"
    times = "-o,-Sbroker.quorum-warn=0.1s,-Sbroker.quorum-timeout=0.5s"
    opening = threading.Thread(target=gate.write_text, args=("",))
    argv = [str(FLUX), "start", "-s2", times, f"-o,-Sbroker.rc1_path={rc1}", "echo", "never"]
    pipe = subprocess.PIPE
    with ending(subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True)) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "rank 1 is not online after broker.quorum-timeout, 0.500s" in line:
                opening.start()
                break
        process.communicate(timeout=PATIENCE)
    opening.join(60)
    assert process.returncode == 1
    assert any("quorum: waiting for rank 1 since" in line for line in said)


def test_jobs_run_without_a_rank_that_died_in_its_rc1() -> None:
    script = "flux mini run -N2 -n2 echo job; flux resource status -n -s offline -o {ranks}"
    rc1 = f"-o,-Sbroker.rc1_path={site_rc1(2)}"
    options = ("--test-exit-mode=leader", "-o,-Sbroker.quorum=0", rc1)
    done = start("-s3", *options, "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("job\njob\n2\n", 0), done.stderr
    assert "R is made without rank 2: lost before reporting" in done.stderr
