"""Reaching an instance from elsewhere: `flux relay`, ssh://, `flux proxy`, `flux uri`."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

import flux
from flux.aio import AsyncFlux
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, background, ending, free_port, mark, until, until_sleeping

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE_SSH = """#!/bin/sh
printf '%s\\n' "$*" >>"$(dirname "$0")/calls"
[ "$1" = -p ] && shift 2
shift
exec "$@"
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("ssh")
    program = folder / "ssh"
    program.write_text(FAKE_SSH)
    program.chmod(0o755)
    with running_instance(2) as running:
        running.environment |= {"FLUX_SSH": str(program), "FLUX_SSH_RCMD": str(running.flux)}
        yield running


def socket_of(instance: Instance) -> str:
    return instance.uri.removeprefix("local://")


def calls(instance: Instance) -> list[str]:
    path = pathlib.Path(instance.environment["FLUX_SSH"]).parent / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def at(
    instance: Instance, uri: str, *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [instance.flux, *words],
        env=instance.environment | {"FLUX_URI": uri},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ssh:// and relay


def test_commands_over_ssh(instance: Instance) -> None:
    calls(instance)
    path = socket_of(instance)
    done = at(instance, f"ssh://me@there:42{path}", "getattr", "size")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
    assert calls(instance) == [f"-p 42 me@there {instance.flux} relay {path}"]
    pings = at(instance, f"ssh://there{path}", "ping", "-c100", "-i", ".001", "broker")
    assert len(pings.stdout.splitlines()) == 100
    done = at(instance, f"ssh://there{path}", "mini", "run", "-n2", "cat", stdin="words\n")
    assert done.stdout == "words\nwords\n"


def test_events_over_ssh(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLUX_SSH", "FLUX_SSH_RCMD"):
        monkeypatch.setenv(name, instance.environment[name])
    with flux.Flux(f"ssh://there{socket_of(instance)}") as h:
        h.event_subscribe("thing")
        h.event_send("thing.one", {"n": 1})
        assert h.event_recv("thing*").payload == {"n": 1}


async def test_an_asyncio_handle_over_ssh(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FLUX_SSH", "FLUX_SSH_RCMD"):
        monkeypatch.setenv(name, instance.environment[name])
    async with await AsyncFlux.connect(f"ssh://there{socket_of(instance)}") as h:
        assert h.size == 2


def test_relay_says_what_is_wrong(instance: Instance) -> None:
    done = instance.run("relay")
    assert done.returncode == 1
    assert done.stderr.startswith("flux-relay: path argument is required\nUsage: flux relay")
    done = instance.run("relay", "/nosuch/local")
    assert (done.returncode, done.stderr) == (
        1,
        "flux-relay: local:///nosuch/local: No such file or directory\n",
    )


def test_the_reason_of_the_other_side_is_seen(instance: Instance) -> None:
    done = at(instance, "ssh://there/nosuch", "getattr", "size")
    assert done.returncode == 1
    assert "flux-relay: local:///nosuch: No such file or directory" in done.stderr
    assert "there: the connection was closed (exit code 1)" in done.stderr


# The real thing

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def listens(port: int, log: pathlib.Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether a server takes connections; it may not have ended."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    assert process.poll() is None, log.read_text()
    return False


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """A server on loopback that lets this user in by a key; gives its port and FLUX_SSH."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's client and server (openssh-client, openssh-server)")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    keys = folder / "authorized"
    keys.write_bytes((folder / "user.pub").read_bytes())
    keys.chmod(0o600)
    port, log = free_port(), folder / "log"
    config = folder / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\n"
    )
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    with ending(server) as process:
        until(lambda: listens(port, log, process))
        options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        yield port, f"ssh -q -F none -i {folder}/user {options}"


def test_an_instance_through_a_real_ssh(instance: Instance, sshd: tuple[int, str]) -> None:
    port, program = sshd
    user = pwd.getpwuid(os.getuid()).pw_name
    uri = f"ssh://{user}@127.0.0.1:{port}{socket_of(instance)}"
    environment = instance.environment | {"FLUX_SSH": program}
    done = subprocess.run(
        [instance.flux, "proxy", uri, "sh", "-c", "flux getattr size; flux mini run -n2 echo hi"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "2\nhi\nhi\n"), done.stderr
    done = subprocess.run(
        [instance.flux, "ping", "-c100", "-i", ".001", "broker"],
        env=environment | {"FLUX_URI": uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 100, done.stderr


# proxy


def test_many_clients_of_a_proxy_share_a_connection(instance: Instance) -> None:
    calls(instance)
    script = """
echo $FLUX_URI
(flux event sub -c1 thing & echo $! >$HOME/pid
flux kvs put p=1; flux kvs get -w -c2 p >$HOME/seen & flux kvs put q=1
until flux event pub -s thing.x && ! kill -0 $(cat $HOME/pid) 2>/dev/null; do :; done >/dev/null
until grep -q 1 $HOME/seen; do sleep 0.02; done
flux kvs put p=2; wait; cat $HOME/seen)
flux mini run -n2 echo job
exit 7
"""
    done = at(
        instance, instance.uri, "proxy", f"ssh://there{socket_of(instance)}", "sh", "-c", script
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 7, done.stderr
    assert lines[0].startswith("local://")
    assert not os.path.exists(lines[0].removeprefix("local://"))
    assert sum(line.startswith("thing.x") for line in lines) == 1
    assert {"1", "2"} <= set(lines)
    assert lines.count("job") == 2
    assert len(calls(instance)) == 1


def test_a_proxys_shell_is_the_users(instance: Instance, tmp_path: pathlib.Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\nflux getattr rank\n")
    shell.chmod(0o755)
    done = subprocess.run(
        [instance.flux, "proxy", instance.uri],
        env=instance.environment | {"SHELL": str(shell)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("local:///nosuch", "true"), 1, "local:///nosuch: No such file or directory"),
        (("tcp://x/y", "true"), 1, "tcp://x/y: no connector for the tcp scheme"),
        (("12345", "true"), 1, "12345: no such job"),
        (("nonsense!", "true"), 1, "nonsense!: neither a job id nor a URI"),
        (("pid:x", "true"), 1, "pid:x: not a process id"),
    ],
)
def test_targets_that_are_none(
    instance: Instance, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = instance.run("proxy", *words)
    assert (done.returncode, done.stderr) == (code, f"flux-proxy: {sentence}\n")


def test_a_command_that_does_not_exist(instance: Instance) -> None:
    done = instance.run("proxy", instance.uri, "/nosuch/program")
    assert (done.returncode, done.stderr) == (
        127,
        "flux-proxy: /nosuch/program: No such file or directory\n",
    )


def test_signals_reach_the_command(instance: Instance) -> None:
    with background(instance, "proxy", instance.uri, "sleep", mark(6401)) as process:
        until_sleeping(mark(6401))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


STEPS = "echo begun; read line; flux getattr rank; read line; flux getattr rank; exit 5"


@contextlib.contextmanager
def below_proxy(uri: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script below a proxy that goes on with each line that it is given."""
    flux_command = pathlib.Path(sys.executable).parent / "flux"
    process = subprocess.Popen(
        [flux_command, "proxy", *options, uri, "sh", "-c", STEPS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with ending(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process


def step(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_proxy_goes_on_when_its_instance_does() -> None:
    path = pathlib.Path(tempfile.mkdtemp(prefix="px-", dir="/tmp")) / "local"
    uri, options = f"local://{path}", ("-S", f"local-uri=local://{path}")
    try:
        with contextlib.ExitStack() as stack:
            with running_instance(1, *options):
                process = stack.enter_context(below_proxy(uri, "--reconnect"))
                step(process)
                assert process.stdout is not None
                assert process.stdout.readline() == "0\n"
            assert process.stdout.readline() == "flux-proxy: broker: Connection reset by peer\n"
            assert process.stdout.readline() == "flux-proxy: reconnecting\n"
            step(process)  # asks before there is a broker
            with running_instance(1, *options):
                said = process.communicate(timeout=PATIENCE)[0].splitlines()
            assert (said, process.returncode) == (["flux-proxy: reconnected", "0"], 5)
    finally:
        shutil.rmtree(path.parent)


def test_a_command_below_a_proxy_goes_on_without_an_instance() -> None:
    with contextlib.ExitStack() as stack:
        with running_instance(1) as other:
            process = stack.enter_context(below_proxy(other.uri, "-n"))
        assert process.stdout is not None
        assert process.stdout.readline() == "flux-proxy: Lost connection to Flux\n"
        said = process.communicate("\n\n", timeout=PATIENCE)[0].splitlines()
    assert said == ["flux: flux_open: No such file or directory"] * 2
    assert process.returncode == 5


def test_the_loss_of_the_instance_ends_a_proxy() -> None:
    with contextlib.ExitStack() as stack:
        with running_instance(1) as other:
            process = stack.enter_context(
                background(other, "proxy", other.uri, "sleep", mark(6402))
            )
            until_sleeping(mark(6402))
        _, shown = process.communicate(timeout=PATIENCE)
        assert "Lost connection to Flux" in shown
        assert process.returncode == 128 + signal.SIGHUP


# Jobs


def test_the_uri_of_a_job(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sleep", "300").stdout.strip()
    instance.run("job", "wait-event", "-p", "guest.exec.eventlog", jobid, "shell.start")
    try:
        done = instance.run("uri", jobid)
        assert done.returncode == 1
        assert "not a Flux instance, or it is not ready yet" in done.stderr
        kvs = instance.run("job", "id", "--to=kvs", jobid).stdout.strip()
        path = socket_of(instance)
        put = instance.run("kvs", "put", "-r", f"{kvs}.guest.flux.local_uri=-", stdin=instance.uri)
        assert put.returncode == 0, put.stderr
        host = os.uname().nodename
        assert instance.run("uri", jobid).stdout == f"{instance.uri}\n"
        assert instance.run("uri", "--remote", f"jobid:{jobid}").stdout == f"ssh://{host}{path}\n"
        assert instance.run("uri", "--local", f"ssh://x{path}").stdout == f"{instance.uri}\n"
        # The job leads to its own instance, where it is a job again.
        assert instance.run("uri", f"{jobid}/{jobid}").stdout == f"{instance.uri}\n"
        assert instance.run("proxy", jobid, "flux", "getattr", "size").stdout == "2\n"
    finally:
        instance.run("job", "cancel", jobid)


def test_the_uri_of_a_process(instance: Instance) -> None:
    done = instance.run("mini", "run", "sh", "-c", "flux uri pid:$$")
    assert done.stdout == f"{instance.uri}\n"
