"""``flux exec`` on a running instance, and what a client of ``broker.rexec`` can ask for."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux.constants import FLUX_RPC_STREAMING
from flux.testing.instance import Instance, running_instance
from flux.wire.json import dumps_str

from .watching import PATIENCE, background, line, mark, until_none_sleeps, until_sleeping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as running:
        yield running


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (("-l", "-r", "1,3", "flux", "getattr", "rank"), 0, ["1: 1", "3: 3"]),
        (("-l", "-r", "0-2", "-x", "1", "flux", "getattr", "rank"), 0, ["0: 0", "2: 2"]),
        (("-r", "all", "-x", "1-3", "pwd", "-P"), 0, None),
        (("-n", "sh", "-c", "exit $(flux getattr rank)"), 3, []),
        (("-r", "0", "sh", "-c", "kill -9 $$"), 137, []),
        (("-r", "1,9", "echo", "x"), 68, ["x"]),
        (("-r", "2", "nosuchprogram"), 127, []),
        (("-r", "2", "/etc/passwd"), 126, []),
        (("-d", "/", "-r", "2", "pwd"), 0, ["/"]),
    ],
)
def test_ranks_and_exit_codes(
    instance: Instance, words: tuple[str, ...], code: int, out: list[str] | None
) -> None:
    run = instance.run("exec", *words)
    assert run.returncode == code
    if out is not None:
        assert sorted(run.stdout.splitlines()) == out


def test_input_reaches_every_rank(instance: Instance) -> None:
    text = "".join(f"line {number}\n" for number in range(100_000))
    run = instance.run("exec", "-l", "-r", "1-3", "wc", "-c", stdin=text)
    assert sorted(run.stdout.splitlines()) == [f"{rank}: {len(text)}" for rank in (1, 2, 3)]
    assert instance.run("exec", "-n", "cat", stdin="unseen").stdout == ""


def test_no_input_is_lost_however_late_it_is_read(instance: Instance, tmp_path: Path) -> None:
    size = 40_000_000
    (tmp_path / "zeros").write_bytes(bytes(size))
    late = "test $(flux getattr rank) = 1 || sleep 1; wc -c"  # the command's time, not ours
    for source in (f"<{tmp_path}/zeros", f"< <(cat {tmp_path}/zeros)"):
        shell = ["bash", "-c", f"flux exec -l -r 1,2 sh -c '{late}' {source}"]
        run = subprocess.run(
            shell, env=instance.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert sorted(run.stdout.splitlines()) == [f"{rank}: {size}" for rank in (1, 2)]
        assert (run.returncode, run.stderr) == (0, "")


def test_endless_input_leaves_time_for_signals(instance: Instance) -> None:
    words = [str(instance.flux), "exec", "-r", "1", "sh", "-c", "echo up; exec sleep 6304"]
    with (
        open("/dev/zero", "rb") as zeros,
        subprocess.Popen(
            words, env=instance.environment, stdin=zeros, stdout=subprocess.PIPE
        ) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.readline() == b"up\n"
        client.send_signal(signal.SIGINT)
        assert client.wait(20) == 128 + signal.SIGINT


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGINT, 128 + 2)])
def test_a_signal_is_passed_on_to_all_ranks(instance: Instance, number: int, code: int) -> None:
    with background(instance, "exec", "-n", "sleep", mark(6301)) as client:
        until_sleeping(mark(6301), 4)
        client.send_signal(number)
        client.communicate(timeout=PATIENCE)
        assert client.returncode == code
    until_none_sleeps(mark(6301))


def test_a_second_interrupt_leaves_what_ignores_the_first(instance: Instance) -> None:
    script = f"trap 'echo interrupted' INT; while true; do sleep {mark(6302)}; done"
    with background(instance, "exec", "-n", "-r", "2", "sh", "-c", script) as client:
        until_sleeping(mark(6302))
        client.send_signal(signal.SIGINT)
        assert line(client) == "interrupted\n"
        client.send_signal(signal.SIGINT)
        while line(client) == "interrupted\n":  # two seconds passed on a very busy machine
            client.send_signal(signal.SIGINT)
        client.communicate(timeout=PATIENCE)
        assert client.returncode == 128 + 2
    until_none_sleeps(mark(6302))  # its client is gone, and it goes with it


def test_a_command_far_away_has_channels(instance: Instance) -> None:
    command = {
        "cwd": "/",
        "cmdline": ["bash", "-c", "read line <&$TEST; echo got $line >&$TEST; echo done"],
        "env": dict(os.environ),
        "opts": {"stdout_LINE_BUFFER": "false"},
        "channels": ["TEST"],
    }
    payload = {"cmd": dumps_str(command), "on_stdout": 1, "on_stderr": 1, "on_channel_out": 1}
    seen: dict[str, str] = {}
    with flux.Flux(instance.uri) as h:
        rpc = h.rpc("broker.rexec", payload, 3, FLUX_RPC_STREAMING)
        while True:
            rpc.wait_for(PATIENCE)
            answer: dict[str, Any] = rpc.get()
            if answer["type"] == "state" and answer["state"] == 2:
                io = {"stream": "TEST", "rank": "0", "data": "hello\n"}
                h.rpc("broker.rexec.write", {"pid": answer["pid"], "io": io}, 3).get()
            elif answer["type"] == "output":
                io = answer["io"]
                seen[io["stream"]] = seen.get(io["stream"], "") + io.get("data", "")
            elif answer["type"] == "complete":
                break
            rpc.reset()
    assert seen == {"TEST": "got hello\n", "stdout": "done\n", "stderr": ""}
