"""What is left when brokers, the instance's first one or `flux start` itself are lost: nothing, and
soon; and who is told.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import Instance, default_flux, running_instance

from .watching import (
    PATIENCE,
    background,
    broker_pid,
    ending,
    line,
    mark,
    send,
    sleepers,
    still_there,
    tree,
    until,
    until_none_sleeps,
    until_sleeping,
)

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

SOON = 60.0
"""Seconds; the aim is 2 on a machine that has nothing else to do, and what is not told of its loss
stays for ever.
"""


@contextlib.contextmanager
def busy(instance: Instance, ranks: int, seconds: str) -> Iterator[None]:
    """Run a job and a command of `flux exec` on every rank; the block is to end them."""
    instance.run("mini", "submit", f"-N{ranks}", f"-n{ranks}", "sleep", seconds)
    with background(instance, "exec", "-n", "sleep", seconds) as client:
        until_sleeping(seconds, 2 * ranks)
        yield
        client.communicate(timeout=PATIENCE)


# flux exec


@pytest.fixture(params=[signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize("lost", [7, 3, 1])
def test_exec_learns_of_a_lost_rank_and_keeps_the_results_of_the_others(
    number: int, lost: int
) -> None:
    with running_instance(8, "-o,-Soverlay.timeout=2") as instance:
        pid = broker_pid(instance, lost)
        command = f"if [ $(flux getattr rank) = 7 ]; then sleep {mark(6101)}; else echo result; fi"
        with background(instance, "exec", "-n", "-l", "-r2,7", "sh", "-c", command) as client:
            until_sleeping(mark(6101))
            os.kill(pid, number)
            try:
                out, err = client.communicate(timeout=PATIENCE)
            finally:
                send([pid], signal.SIGCONT)
        assert out == "2: result\n"
        assert err == "flux-exec: Error: rank 7: sh: No route to host\n"
        assert client.returncode == 68
        until_none_sleeps(mark(6101))


def test_exec_ends_with_its_own_broker() -> None:
    with running_instance(3) as instance:
        pid = broker_pid(instance, 2)
        instance.environment["FLUX_URI"] = instance.uri.removesuffix("0") + "2"
        with background(instance, "exec", "-n", "-r1", "sleep", mark(6102)) as client:
            until_sleeping(mark(6102))
            os.kill(pid, signal.SIGKILL)
            _, err = client.communicate(timeout=PATIENCE)
        assert client.returncode != 0
        assert "Connection reset by peer" in err
        instance.environment["FLUX_URI"] = instance.uri.removesuffix("2") + "0"
        until_none_sleeps(mark(6102))  # the command of a client that went with its broker


def test_what_a_killed_broker_ran_ends_with_it() -> None:
    with running_instance(3) as instance:
        script = f"setsid sleep {mark(6103)} & sleep {mark(6103)}"
        with background(instance, "exec", "-n", "-r2", "sh", "-c", script) as client:
            until_sleeping(mark(6103), 2)
            os.kill(broker_pid(instance, 2), signal.SIGKILL)
            client.communicate(timeout=PATIENCE)
        until_none_sleeps(mark(6103))


# Rank 0 and flux start


@pytest.mark.parametrize("fanout", [2, 1], ids=["tree", "chain"])
def test_loss_of_rank_0_ends_every_broker_and_task(fanout: int) -> None:
    with running_instance(8, f"-o,-Stbon.fanout={fanout}") as instance:
        rundir, pid = instance.rundir, broker_pid(instance, 0)
        with busy(instance, 8, mark(6104)):
            everything = [*tree(instance.process.pid), *sleepers(mark(6104))]
            os.kill(pid, signal.SIGKILL)
            assert not still_there(everything, SOON)
        assert instance.process.wait(SOON) == 137
        assert not os.path.exists(rundir)


def test_loss_of_rank_0_reaches_brokers_below_a_stopped_one() -> None:
    with running_instance(8) as instance:
        everything = tree(instance.process.pid)
        os.kill(broker_pid(instance, 1), signal.SIGSTOP)
        os.kill(broker_pid(instance, 0), signal.SIGKILL)
        assert not still_there(everything, SOON)


@pytest.mark.parametrize("size", [1, 8])
def test_loss_of_flux_start_ends_the_instance(size: int) -> None:
    with running_instance(size) as instance, busy(instance, size, mark(6105)):
        everything = [*tree(instance.process.pid), *sleepers(mark(6105))]
        os.kill(instance.process.pid, signal.SIGKILL)
        assert not still_there(everything, SOON)


def test_a_stopped_broker_ends_with_flux_start() -> None:
    with running_instance(3) as instance:
        everything = tree(instance.process.pid)
        os.kill(broker_pid(instance, 1), signal.SIGSTOP)
        os.kill(broker_pid(instance, 0), signal.SIGSTOP)
        os.kill(instance.process.pid, signal.SIGKILL)
        assert not still_there(everything, SOON)


def test_loss_of_flux_start_is_noticed_behind_a_wrapper() -> None:
    with running_instance(2, "--wrap=env,WRAPPED=1") as instance:
        everything = tree(instance.process.pid)
        os.kill(instance.process.pid, signal.SIGKILL)
        assert not still_there(everything, SOON)


def test_the_store_keeps_what_was_put_before_flux_start_was_lost(tmp_path: pathlib.Path) -> None:
    store = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    with running_instance(2, store) as instance:
        everything = tree(instance.process.pid)
        assert instance.run("kvs", "put", "a.b=42").returncode == 0
        os.kill(instance.process.pid, signal.SIGKILL)
        assert not still_there(everything, SOON)
        assert "checkpoint" not in instance.log.lower()
    with running_instance(1, store) as instance:
        assert instance.run("kvs", "get", "a.b").stdout == "42\n"


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    return not psutil.pid_exists(pid)


def test_a_broker_that_is_told_to_end_has_those_below_it_end_first() -> None:
    with running_instance(4, "--test-exit-timeout=100s", "-o,-Sbroker.quorum=0") as instance:
        listed = ("resource", "status", "-n", "-o", "{ranks}", "-s")
        until(lambda: instance.run(*listed, "avail").stdout == "0-3\n")
        pids = {rank: broker_pid(instance, rank) for rank in (1, 3)}
        os.kill(pids[1], signal.SIGTERM)
        for pid in pids.values():
            until(partial(gone, pid))
        until(lambda: instance.run(*listed, "offline").stdout == "1,3\n")
        assert "did not finish in time" not in instance.log
        assert "was lost" not in instance.log
        assert "lost the connection" not in instance.log


def test_a_lost_inner_broker_takes_the_brokers_below_it_along() -> None:
    with running_instance(8) as instance:
        below = [pid for rank in (3, 4, 7) for pid in tree(broker_pid(instance, rank))]
        os.kill(broker_pid(instance, 1), signal.SIGKILL)
        assert not still_there(below, SOON)
        assert instance.run("getattr", "size").stdout == "8\n"
        until(lambda: "rank 1 was lost, and with it ranks 3-4,7" in instance.run("dmesg").stdout)


@pytest.mark.parametrize("size", ["-s1", None])
def test_a_killed_single_broker_leaves_nothing(size: str | None) -> None:
    """The initial program, what it started, shells, tasks and the run directory."""
    forever = mark(6106)
    script = (
        f"sleep {forever} & setsid sleep {forever} & flux mini submit sleep {forever};"
        f" flux getattr broker.pid; sleep {forever}"
    )
    with ending(
        subprocess.Popen(
            [default_flux(), "start", *filter(None, [size]), "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    ) as process:
        line(process)
        pid = int(line(process))
        everything = until_sleeping(forever, 4)
        os.kill(pid, signal.SIGKILL)
        assert process.wait(SOON) == 137
        assert not still_there(everything, SOON)


def test_what_is_not_flux_starts_own_is_left_alone() -> None:
    script = f"sleep {mark(6107)} & exec {default_flux()} start sh -c 'sleep {mark(6108)} & true'"
    subprocess.run(["sh", "-c", script], timeout=60, check=True)
    left = until_sleeping(mark(6107))
    assert not sleepers(mark(6108))
    left[0].kill()
    until_none_sleeps(mark(6107))


# Starts that fail


@pytest.mark.parametrize("size", ["-s4", "-s1", None])
def test_a_run_directory_with_a_long_name_is_refused_at_once(
    size: str | None, tmp_path: pathlib.Path
) -> None:
    long = tmp_path / ("d" * 100)
    long.mkdir()
    done = subprocess.run(
        [default_flux(), "start", *filter(None, [size]), "true"],
        env={**os.environ, "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert "exceeds the limit of 107, set TMPDIR or rundir to a shorter directory" in lines[0]
    assert not list(long.iterdir())


def started(size: int, wrapper: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run ``flux start`` to its end, each broker by way of a program."""
    wrapper.chmod(0o755)
    return subprocess.run(
        [default_flux(), "start", f"-s{size}", f"--wrap={wrapper}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("failing", [0, 2])
def test_a_broker_that_cannot_start_ends_the_others(failing: int, tmp_path: pathlib.Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\n[ "$PMI_RANK" = {failing} ] && exec "$@" -Stbon.fanout=none\nexec "$@"\n'
    )
    done = started(4, wrapper)
    assert done.returncode == 1
    assert "tbon.fanout: invalid value 'none'" in done.stderr
    assert "Terminated" not in done.stderr
    assert "Traceback" not in done.stderr


GONE_BEFORE_ITS_ANSWER = """#!{python}
import os, signal, sys
if os.environ["PMI_RANK"] == "1":
    os.kill(os.getppid(), signal.SIGSTOP)
    os.write(int(os.environ["PMI_FD"]), b"cmd=init pmi_version=1 pmi_subversion=1\\n")
    os.close(int(os.environ["PMI_FD"]))
    os.kill(os.getppid(), signal.SIGCONT)
    sys.exit(3)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_broker_that_ends_before_pmi_answers_it_is_told_by_its_exit_code(
    tmp_path: pathlib.Path,
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(GONE_BEFORE_ITS_ANSWER.format(python=sys.executable))
    done = started(3, wrapper)
    assert done.returncode == 3
    assert re.fullmatch(r"flux-start: 1 \(pid \d+\) exited with rc=3\n", done.stderr)


def test_a_directory_left_by_a_crash_is_swept_by_the_next_start(tmp_path: pathlib.Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    foreign = tmp_path / "flux-foreign"
    start = [str(default_flux()), "start", "true"]
    argv = [str(default_flux()), "broker", "sleep", mark(6109)]
    with ending(subprocess.Popen(argv, env=environment)):
        until_sleeping(mark(6109))
        (rundir,) = tmp_path.glob("flux-*")
        foreign.mkdir()
        subprocess.run(start, env=environment, timeout=60, check=True)
        assert rundir.is_dir()
    until_none_sleeps(mark(6109))
    assert rundir.is_dir()
    subprocess.run(start, env=environment, timeout=60, check=True)
    assert not rundir.exists()
    assert foreign.is_dir()
