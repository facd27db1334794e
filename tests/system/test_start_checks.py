"""What `flux start` and `flux broker` check before they start anything, and what they say of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux

if TYPE_CHECKING:
    import pathlib

FLUX = str(default_flux())
LONG = "x" * 1024


def run(folder: pathlib.Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLUX, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "file").touch()
    (tmp_path / "private").mkdir(mode=0o555)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("rundir=file", "rundir file: Not a directory"),
        ("rundir=file/below", "rundir file/below: Not a directory"),
        ("rundir=private", "rundir private does not have owner=rwx permissions"),
        ("local-uri=baduri", "local-uri is malformed"),
        ("local-uri=", "local-uri is malformed"),
        ("local-uri=local://", "local-uri is malformed"),
        ("local-uri=ssh://host/socket", "local-uri is malformed"),
        (f"local-uri=local:///{LONG}", "buffer overflow while checking local-uri"),
        (
            "local-uri=local:///noexist/socket",
            "cannot stat local-uri directory /noexist: No such file or directory",
        ),
        ("local-uri=local://{}/file/socket", "local-uri directory {}/file: Not a directory"),
        (
            "local-uri=local://{}/private/socket",
            "local-uri directory {}/private does not have owner=rwx permissions",
        ),
        ("tbon.endpoint=tcp://*:0", "setattr tbon.endpoint: File exists"),
    ],
)
def test_a_broker_with_a_bad_place_does_not_start(
    folder: pathlib.Path, setting: str, sentence: str
) -> None:
    done = run(folder, "broker", f"--setattr={setting.format(folder)}", "true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"flux-broker: {sentence.format(folder)}"


@pytest.mark.parametrize(
    ("tmpdir", "sentence"),
    [
        (f"/{LONG}", "rundir buffer overflow"),
        ("/noexist", "cannot create directory in /noexist: No such file or directory"),
    ],
)
@pytest.mark.parametrize(
    ("words", "program"),
    [(["broker"], "flux-broker"), (["start"], "flux-broker"), (["start", "-s2"], "flux-start")],
)
def test_a_tmpdir_that_cannot_be_used_is_not_replaced_by_another(
    folder: pathlib.Path, words: list[str], program: str, tmpdir: str, sentence: str
) -> None:
    done = run(folder, *words, "true", TMPDIR=tmpdir)
    assert (done.returncode, done.stderr) == (1, f"{program}: {sentence}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-s1", "--test-rundir=file"], "file: not a directory"),
        (["-s1", "--test-rundir=none"], "none: No such file or directory"),
        (["-s1", "--test-pmi-clique=badmode"], "unsupported test-pmi-clique mode: badmode"),
        (
            ["-s2", "-o,-Slocal-uri=local:///tmp/s"],
            "local-uri is the socket of one broker, and there are 2",
        ),
        (["--killer-timeout=1s"], "--killer-timeout can only be used with --test-size"),
        (["-s1", "--killer-timeout=x"], "--killer-timeout: invalid duration 'x'"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    folder: pathlib.Path, words: list[str], sentence: str
) -> None:
    done = run(folder, "start", *words, "true")
    assert (done.returncode, done.stderr) == (1, f"flux-start: {sentence}\n")


@pytest.mark.parametrize("size", [[], ["-s1"]])
def test_the_working_directory_has_to_exist(folder: pathlib.Path, size: list[str]) -> None:
    gone = folder / "gone"
    gone.mkdir()
    script = f'rmdir {gone}; exec {FLUX} start "$@" true'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *size],
        cwd=gone,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = "flux-start: Unable to get current working directory: No such file or directory\n"
    assert (done.returncode, done.stderr) == (1, text)


def test_a_socket_that_a_broker_serves_is_not_taken_from_it(folder: pathlib.Path) -> None:
    path = folder / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as served:
        served.bind(str(path))
        served.listen(1)
        done = run(folder, "broker", f"-Slocal-uri=local://{path}", "true")
    assert done.returncode == 1
    assert f"local-uri: {path} belongs to a broker that runs" in done.stderr
    assert run(folder, "broker", f"-Slocal-uri=local://{path}", "true").returncode == 0


def test_one_broker_has_the_socket_it_is_given(folder: pathlib.Path) -> None:
    uri = f"local://{folder}/socket"
    done = run(folder, "start", "-s1", f"-o,-Slocal-uri={uri}", "sh", "-c", "echo $FLUX_URI")
    assert (done.returncode, done.stdout) == (0, f"{uri}\n")


def test_the_deprecated_name_of_the_exit_timeout_counts(folder: pathlib.Path) -> None:
    script = "kill -9 $(flux exec -r1 flux getattr broker.pid); sleep 30"
    done = run(folder, "start", "-s2", "--killer-timeout=0.1s", "sh", "-c", script)
    assert done.returncode == 137
    assert "killing brokers 0 after the exit timeout" in done.stderr


# A substitute for the broker


def substitute(folder: pathlib.Path, text: str) -> None:
    script = folder / "flux-broker"
    script.write_text(text)
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("size", "sentence"), [([], "error execing broker"), (["-s1"], "flux_exec")]
)
def test_a_broker_that_cannot_be_executed_is_told(
    folder: pathlib.Path, size: list[str], sentence: str
) -> None:
    substitute(folder, "#!/nosuch/interpreter\n")
    done = run(folder, "start", *size, "true", FLUX_EXEC_PATH_PREPEND=str(folder))
    assert done.returncode == 1
    assert done.stderr.startswith(f"flux-start: {sentence}: No such file or directory\n")


@pytest.mark.parametrize("size", [[], ["-s2"]])
def test_a_users_own_broker_is_started_instead_of_ours(
    folder: pathlib.Path, size: list[str]
) -> None:
    substitute(
        folder,
        "#!/bin/sh\necho mine >&2\nunset FLUX_EXEC_PATH FLUX_EXEC_PATH_PREPEND\n"
        f'exec {FLUX} broker "$@"\n',
    )
    words = ["start", *size, "flux", "getattr", "size"]
    done = run(folder, *words, FLUX_EXEC_PATH_PREPEND=str(folder))
    count = 2 if size else 1
    assert (done.returncode, done.stdout) == (0, f"{count}\n")
    assert done.stderr == "mine\n" * count
    shown = run(folder, "start", "-X", "-v", *words[1:], FLUX_EXEC_PATH_PREPEND=str(folder))
    assert f"{folder}/flux-broker " in shown.stderr


# What -v shows


def test_a_verbose_broker_tells_where_it_is(folder: pathlib.Path) -> None:
    done = run(folder, "broker", "-v", "true")
    boot, *rest = done.stderr.splitlines()
    assert re.fullmatch(r"flux-broker: boot: rank=0 size=1 time \d+\.\d+s", boot)
    assert rest == ["flux-broker: parent: none", "flux-broker: child: none"]


def test_each_of_several_tells_whom_it_is_connected_with(folder: pathlib.Path) -> None:
    done = run(folder, "start", "-s2", "-o,-v", "flux", "getattr", "tbon.endpoint")
    endpoint = done.stdout.strip()
    lines = [line for line in done.stderr.splitlines() if "boot: " not in line]
    assert sorted(lines) == [
        f"flux-broker: child: {endpoint}",
        "flux-broker: child: none",
        f"flux-broker: parent: {endpoint}",
        "flux-broker: parent: none",
    ]


def test_a_very_verbose_broker_adds_modules_and_event_loop(folder: pathlib.Path) -> None:
    done = run(folder, "broker", "-v", "-v", "true")
    assert "flux-broker: entering event loop\n" in done.stderr
    assert "broker.debug[0]: insmod kvs\n" in done.stderr
    assert done.stderr.endswith("flux-broker: exited event loop\n")
