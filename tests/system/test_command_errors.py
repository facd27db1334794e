"""Bad input, closed and full streams, signals and lost brokers: each command fails with one
sentence and the right code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, kill_instance, until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

HUGE = "99999999999999999999"
NO_BROKER = "flux: flux_open: No such file or directory\n"
UNABLE = "ERROR: [Errno 2] Unable to connect to Flux\n"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        assert running.run("kvs", "put", "a.b=1").returncode == 0
        assert running.run("kvs", "put", "notlog=not json\n").returncode == 0
        assert running.run("kvs", "eventlog", "append", "log", "begin").returncode == 0
        yield running


def is_clean(text: str) -> bool:
    return (
        "Traceback" not in text and "internal error" not in text and "Exception ignored" not in text
    )


# Arguments

SENTENCES: list[tuple[list[str], int, str]] = [
    (["getattr", ""], 1, "flux-getattr: : No such file or directory"),
    (["getattr", "--bogus"], 1, "flux-getattr: unrecognized option '--bogus'"),
    (["setattr", "rank", "5"], 1, "flux-setattr: flux_attr_set: Operation not permitted"),
    (["ping", HUGE], 1, "flux-ping: error parsing --rank option"),
    (["ping", "-c1", "²"], 1, "flux-ping: ².ping: Function not implemented"),
    (["ping", "-i", "nan", "kvs"], 1, "flux-ping: interval must be >= 0"),
    (["ping", "-i", "inf", "kvs"], 1, "flux-ping: interval must be <= 2147483648"),
    (["ping", "-p", HUGE, "kvs"], 1, "flux-ping: pad must be <= 1073741824"),
    (
        ["ping", "-c", "x", "kvs"],
        1,
        "flux-ping: Invalid value for '-c' / '--count': 'x' is not a valid integer.",
    ),
    (["module", "nosuch"], 1, "flux-module: unknown sub-command `nosuch'"),
    (["module", "load", "/tmp"], 1, "flux-module: /tmp: Is a directory"),
    (["module", "load", "./nosuch.py"], 1, "flux-module: ./nosuch.py: No such file or directory"),
    (["module", "stats", "-t", "x", "kvs"], 1, "flux-module: unknown type `x', use int or double"),
    (["module", "debug", "-S", "-1", "kvs"], 1, "flux-module: invalid mask: -1"),
    (["module", "debug", "-S", HUGE, "kvs"], 1, f"flux-module: invalid mask: {HUGE}"),
    (["kvs", "gte"], 1, "flux-kvs: unknown sub-command `gte' (did you mean get?)"),
    (["kvs", "get", ""], 1, "flux-kvs: : Invalid argument"),
    (["kvs", "get", "ünï"], 1, "flux-kvs: ünï: No such file or directory"),
    (["kvs", "get", "-w", "-c", "-1", "a.b"], 1, "flux-kvs: count must be >= 0"),
    (
        ["kvs", "put", "-N", "nosuch", "a=b"],
        1,
        "flux-kvs: flux_kvs_commit: Operation not supported",
    ),
    (
        ["kvs", "wait", HUGE],
        1,
        f"flux-kvs wait: Invalid value for 'VERSION': {HUGE} is out of range.",
    ),
    (["kvs", "move", "a", "a"], 1, "flux-kvs: 'a' and 'a' are the same key"),
    (
        ["kvs", "eventlog", "append", "-t", "nan", "log", "x"],
        1,
        "flux-kvs: eventlog_entry_create: Invalid argument",
    ),
    (
        ["kvs", "eventlog", "wait-event", "notlog", "x"],
        1,
        "flux-kvs: flux_kvs_lookup_get: Invalid argument",
    ),
    (
        ["kvs", "eventlog", "wait-event", "-t", "nan", "log", "x"],
        1,
        "flux-kvs: timeout must be a number of seconds",
    ),
    (["event", "sub", "-c", "-1"], 1, "flux-event: count must be >= 0"),
    (["exec", "-r", "x", "true"], 1, "flux-exec: idset_decode: Invalid argument"),
    (
        ["exec", "-r", "2-4294967290", "true"],
        68,
        "flux-exec: Error: ranks 2-4294967290: true: No route to host",
    ),
    (["exec", "-r", "0", ""], 127, "flux-exec: Error: rank 0: : No such file or directory"),
    (
        ["logger", "-n", "two words", "x"],
        1,
        "flux-logger: invalid appname: 'two words' is not one word",
    ),
    (["content", "load", "x"], 1, "flux-content: flux_content_load: Invalid argument"),
    (["env", ""], 127, "flux-env: the name of the command is empty"),
    (["env", "nosuchprogram"], 127, "flux-env: nosuchprogram: No such file or directory"),
    (["help", "kvs", "nosuch"], 1, "flux: no manual page for `kvs nosuch'"),
    (["stat"], 1, "flux: `stat' is not a flux command.  See 'flux --help'"),
    (["queue", "drain", "-t", "-1"], 1, "flux-queue: Invalid argument for option timeout: -1"),
    (["resource"], 2, "flux-resource: error: the following arguments are required: subcommand"),
    (["mini"], 2, "flux-mini: error: the following arguments are required: subcommand"),
    (
        ["mini", "run", "-n", HUGE, "true"],
        1,
        f"flux-mini: ERROR: --ntasks: integer out of range: '{HUGE}'",
    ),
    (["mini", "run", "--env==x", "true"], 1, "flux-mini: ERROR: --env: no variable name in =x"),
    (
        ["mini", "submit", "--cc=0-99999999999", "true"],
        1,
        "flux-mini: ERROR: IDset(): Invalid argument: 0-99999999999",
    ),
    (["jobs", "-c", HUGE], 2, f"flux-jobs: error: argument -c/--count: {HUGE} is out of range"),
    (
        ["jobs", "-o", "{nosuch}"],
        1,
        "flux-jobs: ERROR: Error in user format: Unknown format field: nosuch",
    ),
    (["jobs", "-ao", "{id:>999999999999999999}"], 1, "flux: not enough memory"),
    (
        ["job", "list", "-c", HUGE],
        1,
        f"flux-job list: Invalid value for '-c' / '--count': {HUGE} is out of range.",
    ),
    (["job", "list", "-u", HUGE], 1, f"flux-job: unknown user {HUGE}"),
    (["job", "cancel", "ƒ"], 1, 'flux-job: error parsing jobid: "ƒ"'),
    (["job", "kill", "-s", "²", "1"], 1, "flux-job: kill: Invalid signal ²"),
    (
        ["job", "wait-event", "-t", "nan", "1", "x"],
        1,
        "flux-job wait-event: wait-event: Invalid argument for option 'timeout': 'nan'",
    ),
    (["job", "list-inactive", "-s", "nan"], 1, "flux-job: since must be a timestamp"),
]


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    SENTENCES,
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_arguments(instance: Instance, args: list[str], code: int, sentence: str) -> None:
    done = instance.run(*args)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr.splitlines()
    assert is_clean(done.stderr)


def test_a_long_timeout_is_no_error(instance: Instance) -> None:
    assert instance.run("queue", "idle", "-t", HUGE).returncode == 0


def test_an_event_log_that_was_not_harmed_is_readable(instance: Instance) -> None:
    assert instance.run("kvs", "eventlog", "wait-event", "log", "begin").stdout.endswith(" begin\n")


# Streams

PRINTING = [
    "getattr size",
    "lsattr -v",
    "kvs get a.b",
    "kvs dir -R",
    "exec -n echo hi",
    "mini run echo hi",
    "jobs -a",
    "env",
]


def shell(instance: Instance, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        env=instance.environment,
        cwd=instance.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("words", PRINTING)
def test_output_that_cannot_be_written(instance: Instance, words: str) -> None:
    full = shell(instance, f"flux {words} >/dev/full")
    assert (full.returncode, full.stderr) == (1, "flux: standard output: No space left on device\n")
    closed = shell(instance, f"flux {words} >&-")
    assert (closed.returncode, closed.stderr) == (1, "flux: standard output: Bad file descriptor\n")


def test_what_prints_nothing_needs_no_output(instance: Instance) -> None:
    assert shell(instance, "flux setattr some thing >&-").returncode == 0
    assert shell(instance, "flux setattr some thing >&- 2>&- <&-").returncode == 0


@pytest.mark.parametrize(
    "words", ["getattr size", "mini run echo hi", "exec -r0 cat", "content store", "mini run cat"]
)
def test_closed_input_and_error_output(instance: Instance, words: str) -> None:
    done = shell(instance, f"flux {words} <&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert shell(instance, f"flux {words} 2>&- </dev/null").returncode == 0


def test_a_reader_that_stops_early_is_no_error_to_speak_of(instance: Instance) -> None:
    done = shell(instance, "flux lsattr -v | head -1; flux help start | true")
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def test_a_locale_without_the_letters(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "true").stdout.strip()
    plain = "PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C"
    assert shell(instance, f"{plain} flux jobs -ano '{{id}}' | head -1").stdout == f"f{jobid[1:]}\n"


def test_bytes_that_are_no_text_come_out_as_they_went_in(instance: Instance) -> None:
    done = subprocess.run(
        [instance.flux, "env", "printenv", "ODD"],
        env={**instance.environment, "ODD": os.fsdecode(b"\xff\xfe")},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == b"\xff\xfe\n"


@pytest.mark.parametrize("words", ["mini run true", "exec -r0 true"])
def test_a_working_directory_that_is_gone(instance: Instance, words: str) -> None:
    done = shell(instance, f"mkdir gone && cd gone && rmdir ../gone && flux {words}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(": cannot tell the working directory: No such file or directory\n")


# Signals and a broker that dies

WAITING = [
    "ping kvs",
    "event sub",
    "kvs get -W nosuch",
    "kvs wait 1000000",
    "kvs eventlog wait-event log nosuch",
    "exec sleep 100",
    "dmesg -f",
    "mini submit --wait sleep 100",
    "mini bulksubmit --watch sleep {} ::: 100",
    "job wait-event JOB nosuch",
    "job status JOB",
    "queue drain",
]


class Waiting:
    """Commands that run until something happens to them."""

    def __init__(self, instance: Instance, job: str) -> None:
        self.errors = instance.base / "waiting"
        self.errors.mkdir(exist_ok=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for words in WAITING:
            with self.path(words).open("wb") as errors:
                argv = [
                    str(instance.flux),
                    *(job if word == "JOB" else word for word in words.split()),
                ]
                self.processes[words] = subprocess.Popen(
                    argv,
                    env=instance.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )

    def path(self, words: str) -> pathlib.Path:
        return self.errors / words.replace(" ", "_").replace("/", "_")

    def connected(self) -> bool:
        """Whether every command has its connection; none may have ended."""
        codes = {words: process.poll() for words, process in self.processes.items()}
        assert codes == dict.fromkeys(WAITING), self.said()
        return all(psutil.Process(p.pid).net_connections("unix") for p in self.processes.values())

    def said(self) -> dict[str, str]:
        """Return what each has written to its standard error."""
        return {words: self.path(words).read_text() for words in self.processes}

    def end(self) -> dict[str, tuple[int, str]]:
        """Return exit code and error output of each."""
        try:
            return {
                words: (p.wait(PATIENCE), self.path(words).read_text())
                for words, p in self.processes.items()
            }
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()


def jobs(instance: Instance) -> int:
    """How many jobs there are that have not ended."""
    return len(instance.run("jobs", "-no", "{id}").stdout.splitlines())


@contextlib.contextmanager
def instance_with_waiting_commands() -> Iterator[tuple[Instance, Waiting]]:
    with running_instance(2) as instance:
        instance.run("kvs", "eventlog", "append", "log", "begin")
        waiting = Waiting(instance, instance.run("mini", "submit", "sleep", "100").stdout.strip())
        try:
            until(lambda: waiting.connected() and jobs(instance) == 3)
            yield instance, waiting
        finally:
            for process in waiting.processes.values():
                process.kill()
                process.wait()


def test_ctrl_c_ends_a_waiting_command_with_130() -> None:
    with instance_with_waiting_commands() as (instance, waiting):
        for process in waiting.processes.values():
            process.send_signal(signal.SIGINT)
        ends = waiting.end()
        instance.run("job", "cancelall", "-f")
    assert {words: code for words, (code, _) in ends.items()} == dict.fromkeys(WAITING, 130)
    assert all(is_clean(text) for _, text in ends.values())


def test_a_lost_broker_is_one_sentence() -> None:
    with instance_with_waiting_commands() as (instance, waiting):
        kill_instance(instance)
        ends = waiting.end()
    assert {words: code for words, (code, _) in ends.items()} == dict.fromkeys(WAITING, 1)
    for words, (_, text) in ends.items():
        assert is_clean(text), words
        assert text.count("Connection reset by peer") == len(text.splitlines()), (words, text)


# No broker, or something else


def outside(*args: str, uri: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    if uri is not None:
        env["FLUX_URI"] = uri
    return subprocess.run(
        [default_flux(), *args],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    "words", ["getattr size", "kvs get a", "exec true", "job cancel 1", "queue status", "event sub"]
)
def test_without_an_instance(words: str) -> None:
    done = outside(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NO_BROKER)


@pytest.mark.parametrize("words", ["jobs", "mini run true", "resource list"])
def test_without_an_instance_in_the_words_of_python_commands(words: str) -> None:
    done = outside(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"flux-{words.split()[0]}: {UNABLE}",
    )


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("garbage", "'garbage' is not a Flux URI"),
        ("local://", "'local://' names no socket"),
        ("http://x", "no connector for the http scheme"),
        ("local:///nosuch/socket", "No such file or directory"),
        (f"local:///{'a' * 300}", "File name too long"),
    ],
)
def test_a_uri_that_leads_nowhere(uri: str, reason: str) -> None:
    done = outside("getattr", "size", uri=uri)
    assert (done.returncode, done.stderr) == (1, f"flux: flux_open: {reason}\n")


def test_a_socket_of_something_else(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("other")
        server.listen(1)

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"\0HTTP/1.1 400 Bad Request\r\n\r\n")
                peer.recv(1 << 16)

        thread = threading.Thread(target=answer)
        thread.start()
        done = outside("getattr", "size", uri="local://other")
        thread.join(PATIENCE)
    assert (done.returncode, done.stderr) == (1, "flux-getattr: Protocol error\n")


# flux start and flux broker


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["-s1", "--rundir=/proc/nosuch", "true"],
            "flux-start: /proc/nosuch: No such file or directory",
        ),
        (["-s1", "--test-rundir=/etc/passwd", "true"], "flux-start: /etc/passwd: not a directory"),
        (
            ["-s1", "--wrap=nosuchprogram", "true"],
            "flux-start: nosuchprogram: No such file or directory",
        ),
        (["-o,-Slog-level=x", "true"], "flux-broker: log-level: invalid value 'x'"),
        (["-o,-Stbon.fanout=x", "true"], "flux-broker: tbon.fanout: invalid value 'x'"),
        (["-o,-Sbroker.quorum=x", "true"], "flux-broker: Error parsing broker.quorum attribute"),
        (["-o,-c/nosuch", "true"], "flux-broker: config.path: /nosuch: No such file or directory"),
        (["-v=x", "true"], "flux-start: --verbose==x: expected a number"),
    ],
)
def test_an_instance_that_cannot_start(args: list[str], sentence: str) -> None:
    done = outside("start", *args)
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()
    assert is_clean(done.stderr)


def test_verbose_takes_no_word_after_it() -> None:
    for words in (
        ["-X", "-v", "echo", "-v2"],
        ["-vX", "echo", "-v2"],
        ["--verbose=1", "-X", "echo", "-v2"],
    ):
        done = outside("start", *words)
        assert (done.returncode, done.stderr.endswith("flux broker echo -v2\n")) == (0, True), (
            done.stderr
        )


def test_the_leader_alone_starts_when_asked_to() -> None:
    done = outside(
        "start",
        "--test-start-mode=leader",
        "-o,-Sbroker.quorum=0",
        "-s2",
        "--test-exit-timeout=1s",
        "flux",
        "getattr",
        "size",
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
