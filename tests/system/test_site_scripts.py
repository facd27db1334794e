"""Sites' own rc1 and rc3: they load every module by themselves, in their own order and with their
own arguments, on a broker that has its basic services whatever the scripts do.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux

if TYPE_CHECKING:
    import pathlib

FLUX = default_flux()

LEADER = """
flux module load content-sqlite
flux module load kvs
flux module load kvs-watch
flux module load job-manager
flux module load job-ingest
flux module load job-info
flux module load job-list
flux module load barrier
flux module load heartbeat
flux kvs put resource.R='{R}'
flux module load resource noverify
flux module load job-exec
flux module load sched-simple mode=limited=8
"""
FOLLOWER = """
flux module load kvs
flux module load kvs-watch
flux module load job-ingest
flux module load job-info
flux module load barrier
flux module load resource noverify
"""
CLEANUP = """
flux admin cleanup-push <<EOT
echo block-1 >>{out}

echo block-2 >>{out}
EOT
flux admin cleanup-push "echo 'one word' >>{out}"
flux admin cleanup-push sh -c 'echo several "$0" >>{out}' words
"""
RC3 = """
echo rc3-$(flux getattr rank) >>{out}
for name in $(flux module list | tail -n +2 | cut -d' ' -f1 | tac); do
    test $name = connector-local || flux module remove $name || exit 1
done
test $(flux module list | tail -n +2 | wc -l) = 1
"""


def script(path: pathlib.Path, text: str) -> str:
    path.write_text("#!/bin/bash -e\n" + text)
    path.chmod(0o755)
    return str(path)


def start(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    argv = [str(FLUX), "start", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


def resources(ranks: str, cores: str) -> str:
    execution = {
        "R_lite": [{"rank": ranks, "children": {"core": cores}}],
        "starttime": 0,
        "expiration": 0,
        "nodelist": ["fake0" if ranks == "0" else f"fake[{ranks}]"],
    }
    return json.dumps({"version": 1, "execution": execution})


@pytest.mark.parametrize("size", [1, 3])
def test_jobs_run_on_modules_that_a_site_loads_by_itself(tmp_path: pathlib.Path, size: int) -> None:
    out = tmp_path / "out"
    ranks = "0" if size == 1 else f"0-{size - 1}"
    leader = LEADER.replace("{R}", resources(ranks, "0-15")) + CLEANUP.replace("{out}", str(out))
    rc1 = f"if test $(flux getattr rank) = 0; then {leader}\nelse {FOLLOWER}\nfi"
    paths = (
        f"-Sbroker.rc1_path={script(tmp_path / 'rc1', rc1)}",
        f"-Sbroker.rc3_path={script(tmp_path / 'rc3', RC3.replace('{out}', str(out)))}",
    )
    program = (
        f"flux mini run -N{size} -n{size} echo ran; flux mini run -n10 echo ten;"
        " flux resource list -no '{state} {nnodes} {ncores} {nodelist}' -s free; flux jobs -an"
    )
    done = start(f"-s{size}", f"-o,{','.join(paths)}", "sh", "-c", program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[: size + 10] == ["ran"] * size + ["ten"] * 10
    hosts = "fake0" if size == 1 else f"fake[0-{size - 1}]"
    assert f"free {size} {size * 16} {hosts}" in lines
    said = out.read_text().splitlines()
    assert said[:4] == ["several words", "one word", "block-1", "block-2"]
    assert sorted(said[4:]) == [f"rc3-{rank}" for rank in range(size)]
    assert said[-1] == "rc3-0"


def test_ranks_without_what_a_given_r_says_are_drained(tmp_path: pathlib.Path) -> None:
    leader = LEADER.replace("{R}", resources("0", "0-4095")).replace("noverify", "")
    rc1 = script(tmp_path / "rc1", leader)
    done = start(
        f"-o,-Sbroker.rc1_path={rc1}", "flux", "resource", "status", "-o", "{state} {ranks}"
    )
    assert done.returncode == 0, done.stderr
    assert "draining: rank 0" in done.stderr
    assert "missing resources: core[" in done.stderr
    assert "drain 0" in done.stdout


def test_an_r_that_is_none_fails_the_module(tmp_path: pathlib.Path) -> None:
    leader = LEADER.replace("{R}", '{"version":42}')
    rc1 = script(tmp_path / "rc1", f"({leader}) 2>{tmp_path}/said")
    assert start(f"-o,-Sbroker.rc1_path={rc1}", "true").returncode == 1
    assert "broker.insmod: error parsing R: invalid version=42" in (tmp_path / "said").read_text()


def test_an_empty_rc1_leaves_content_exec_and_attributes() -> None:
    program = "flux exec -n flux getattr rank | sort; echo x | flux content store; flux module list"
    done = start("-s3", "-o,-Sbroker.rc1_path=,-Sbroker.rc3_path=", "sh", "-c", program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["0", "1", "2"]
    assert lines[3].startswith("sha1-")
    assert [line.split()[0] for line in lines[4:]] == ["Module", "connector-local"]


def test_a_clean_up_that_fails_gives_the_exit_code_and_keeps_none_from_running() -> None:
    push = "; ".join(
        f"flux admin cleanup-push '{line}'" for line in ("echo ran", "exit 9", "exit 8")
    )
    done = start("-o,-Sbroker.rc1_path=", "sh", "-c", push)
    assert (done.returncode, done.stdout) == (8, "ran\n")
    assert start("-o,-Sbroker.rc1_path=", "sh", "-c", f"{push}; exit 3").returncode == 3


def test_the_block_that_ends_the_jobs_of_an_instance_does() -> None:
    push = """
flux admin cleanup-push <<EOT
flux queue stop --quiet
flux job cancelall --user=all --quiet -f --states RUN
flux queue idle --quiet
flux queue stop -q -v
flux jobs -ano '{status}' -c2
EOT
flux mini submit --cc=0-1 sleep 1000 >/dev/null
"""
    done = start("-s1", "sh", "-c", push)
    assert (done.returncode, done.stdout) == (0, "CANCELED\nCANCELED\n"), done.stderr
    assert "flux-queue: 0 running jobs" in done.stderr
    assert "Scheduling is disabled" not in done.stderr


def test_clean_up_is_not_run_when_rc1_fails() -> None:
    rc1 = "flux admin cleanup-push 'echo ran'; exit 5"
    done = start(f"-o,-Sbroker.rc1_path={rc1}", "echo", "program")
    assert (done.returncode, done.stdout) == (5, "")


def test_the_time_for_clean_up_commands_ends(tmp_path: pathlib.Path) -> None:
    rc3 = f"flux admin cleanup-push true 2>{tmp_path}/said"
    start(f"-o,-Sbroker.rc1_path=,-Sbroker.rc3_path={rc3}", "true")
    assert "clean-up commands are not run any more" in (tmp_path / "said").read_text()
