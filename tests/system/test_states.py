"""The states of an instance as scripts see them, and the quorum it waits for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux

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
