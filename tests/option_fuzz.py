"""Command lines made of every option of every command and of words that nobody should type.

They are run in this process, on whatever instance the environment names, and what they say is
looked over: a command may refuse a word, in one sentence and with an exit code, and may not show
what it is made of.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import click

from docs.generate import sub_commands
from fluxctl import streams
from fluxctl.main import main
from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    import pytest

WORDS = (
    *("", " ", "x", "-1", "-0", "0", "1", "1.5", "1e400", "-1e400", "nan", "inf", "-inf", "1e"),
    *("2147483648", "4294967295", "18446744073709551616", "9" * 5000, "-" + "9" * 5000, "0x10"),
    *("1_000", "²", "٣", "+5", "5s", "5 s", "1e309s", "0-4294967294", "1-", "[0-", "[1-3]x", ","),
    *(
        "\udcff",
        "a\udcc3",
        "ƒ",
        "ƒ" + "z" * 40,
        "f1",
        "ünï",
        "\n",
        "\t",
        "\x1b[31m",
        "a\nb",
        "\x7f",
    ),
    *("--", "-", "=", "a=b", "=b", "a=", "a=\udcff", "^x", "^", "-/(/", "/(/", "/[[a]/", "/(?i"),
    *("/a{99999999999}/", "[", "[]", "{}", "null", "{", "}", "{id", "{0}", "{id.__class__}", "**"),
    *("{id!z}", "{id:>}", "%s%n%j", "$", "${x", "$x", ":", "a:b", "a:b?c", "://", "~nosuch/x", "!"),
    *("nosuch/nosuch", "[" * 20000, '{"a":' * 20000, "1e9999999", "x" * 70000, "0.0.0.0", "1,,2"),
    *("\u2028", "\u202e", "a.b..c", "..", ".", "all", "@", "2020-13-45", "+1e99h", "in 1e99 days"),
    *("{nope}", "[0-4294967294]", "a[0-99999]b[0-99999]", "{0:>99999999999}", "a=1\n", "{.}"),
)
"""Wrong types, too much, too little, bytes that are not UTF-8, and what templates, patterns,
numbers, durations, id sets, keys and URIs trip over.
"""

TWICE = ("x", "1", "a=b")
"""Words with which an option is also given twice."""

BLOB = "sha1-" + "0" * 40

BASE: dict[str, tuple[str, ...]] = {
    "archive create": ("FILE",),
    "content load": (BLOB,),
    "content spam": ("1",),
    "cron at": ("tomorrow", "true"),
    "cron delete": ("1000",),
    "cron dump": ("1000",),
    "cron event": ("topic", "true"),
    "cron interval": ("1d", "true"),
    "cron start": ("1000",),
    "cron stop": ("1000",),
    "dump": ("dumped",),
    "job-exec-override finish": ("f1", "0"),
    "job-exec-override start": ("f1",),
    "overlay disconnect": ("1000",),
    "overlay gethostbyrank": ("0",),
    "overlay lookup": ("0",),
    "overlay parentof": ("0",),
    "env": ("true",),
    "event pub": ("topic",),
    "exec": ("true",),
    "getattr": ("rank",),
    "setattr": ("fuzz", "1"),
    "update": ("1", "name=x"),
    "job memo": ("1", "note=x"),
    "keygen": ("key",),
    "kvs copy": ("a.b", "a.c"),
    "kvs dir": ("a",),
    "kvs eventlog append": ("log", "event"),
    "kvs eventlog get": ("log",),
    "kvs eventlog wait-event": ("log", "begin"),
    "kvs get": ("a.b",),
    "kvs link": ("a", "link"),
    "kvs ls": ("a",),
    "kvs mkdir": ("made",),
    "kvs move": ("nosuch", "moved"),
    "kvs namespace create": ("space",),
    "kvs namespace remove": ("nosuch",),
    "kvs put": ("p=1",),
    "kvs readlink": ("link",),
    "kvs unlink": ("nosuch",),
    "kvs wait": ("1",),
    "logger": ("message",),
    "mini alloc": ("true",),
    "mini batch": ("--wrap", "true"),
    "mini bulksubmit": ("true", ":::", "1"),
    "mini run": ("true",),
    "mini submit": ("true",),
    "alloc": ("true",),
    "batch": ("--wrap", "true"),
    "bulksubmit": ("true", ":::", "1"),
    "run": ("true",),
    "submit": ("true",),
    "cancel": ("1",),
    "hostlist": ("instance",),
    "pgrep": ("nosuch",),
    "pkill": ("nosuch",),
    "watch": ("1",),
    "job list-ids": ("1",),
    "job urgency": ("1", "16"),
    "job cancel": ("1",),
    "job raise": ("1",),
    "job raiseall": ("kind",),
    "job kill": ("1",),
    "job attach": ("1",),
    "job status": ("1",),
    "job submit": ("/dev/null",),
    "job id": ("1",),
    "job eventlog": ("1",),
    "job wait-event": ("1", "submit"),
    "job info": ("1", "R"),
    "job namespace": ("1",),
    "job wait": ("1",),
    "job hostpids": ("1",),
    "job taskmap": ("1",),
    "job annotate": ("1", "key", "value"),
    "module debug": ("kvs",),
    "module info": ("kvs",),
    "module load": ("nosuch",),
    "module reload": ("nosuch",),
    "module remove": ("nosuch",),
    "modprobe list-dependencies": ("nosuch",),
    "modprobe load": ("kvs",),
    "modprobe remove": ("nosuch",),
    "modprobe run": ("nosuch.py",),
    "multi-prog": ("nosuch.conf",),
    "post-job-event": ("1", "fuzz"),
    "modprobe show": ("nosuch",),
    "config set": ("fuzz.a", "1"),
    "config unset": ("fuzz.a",),
    "R rerank": ("a",),
    "sproc kill": ("15", "1"),
    "sproc wait": ("1",),
    "module stats": ("kvs",),
    "module unload": ("nosuch",),
    "ping": ("-c1", "-i0", "kvs"),
    "proxy": ("1", "true"),
    "R set-property": ("fast:0",),
    "queue disable": ("reason",),
    "resource drain": ("99",),
    "resource reload": ("nosuch",),
    "resource undrain": ("99",),
    "restore": ("nosuch",),
    "start": ("true",),
    "uri": ("1",),
    "admin cleanup-push": ("true",),
    "heaptrace dump": ("reason",),
    "help": ("kvs", "get"),
    "jobspec srun": ("true",),
    "jobtap query": ("nosuch",),
    "jobtap remove": ("nosuch",),
    "shell": ("1",),
}
"""Arguments with which a command does something harmless; those of others are none."""

FIRST: dict[str, tuple[str, ...]] = {"start": ("-X",)}
"""Options that have to stand before everything else, for a command to do nothing serious."""

LEFT_OUT = {
    *("broker", "python", "top", "heaptrace start", "jobtap load", "modprobe rc3", "shutdown"),
}
"""A daemon, an interpreter, a screen, what slows the broker down or ends it, and what
runs a file that another command has written, whose errors in Python are told as such."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the words and the command of everything at the end of the command table."""
    for name in COMMANDS:
        for path, command in sub_commands(COMMANDS[name].load(), name):
            if not isinstance(command, click.Group) and path not in LEFT_OUT:
                yield path, command


def of_option(option: click.Option, word: str) -> Iterator[list[str]]:
    """Yield the ways in which an option can get a word."""
    name = max(option.opts, key=len)
    yield [f"{name}={word}"]
    if not (option.is_flag or option.count):
        yield [min(option.opts, key=len), word]


def command_lines(words: Sequence[str] = WORDS) -> Iterator[tuple[str, list[str]]]:
    """Yield every command with every option and argument being each of the words, as its name and
    the command line.
    """
    for path, command in commands():
        start, base = [*path.split(), *FIRST.get(path, ())], list(BASE.get(path, ()))
        options = [one for one in command.params if isinstance(one, click.Option)]
        for line in (*_with_words(base, options, words), *_with_names(base, options)):
            yield path, [*start, *line]


def _with_words(
    base: list[str], options: list[click.Option], words: Sequence[str]
) -> Iterator[list[str]]:
    """Yield the arguments of a command with a word in each place where one can be."""
    for word in words:
        yield [*base, word]
        yield [f"--{word}", *base]
        for place in range(len(base)):
            yield [*base[:place], word, *base[place + 1 :]]
        for option in options:
            for given in of_option(option, word):
                yield [*given, *base]
                if word in TWICE:
                    yield [*given, *given, *base]


def _with_names(base: list[str], options: list[click.Option]) -> Iterator[list[str]]:
    """Yield the arguments of a command with each name of an option, whole and in part, and with
    nothing after it.
    """
    for name in (name for option in options for name in option.opts):
        yield [name]
        yield [*base, name]
        yield from ([name[:size], *base] for size in range(2, len(name)))


@dataclass(frozen=True)
class Run:
    """What became of a command line; one that still ran after a while has no exit code."""

    argv: list[str]
    code: int | None
    output: str
    errors: str


class _Became(BaseException):
    """The command became another program."""


def _became(*_words: object) -> NoReturn:
    raise _Became


ENOUGH: Final = signal.SIGRTMIN
"""What interrupts a command: no signal that `flux job attach` passes on to the job."""
_AGAIN: Final = 5.0
"""Seconds after which a command is interrupted again that went on: where the language calls code
of its own accord, it tells of an exception and drops it.
"""


class _Patience:
    """Interrupts the main thread after some seconds, until the block is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> None:
        _waiting.add(self)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        _waiting.clear()
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        wait = self._seconds
        while not self._over.wait(wait):
            _deferred.clear()
            signal.pthread_kill(threading.main_thread().ident or 0, ENOUGH)
            wait = 0.01 if _deferred.wait(0.05) else _AGAIN


_OF_WEAK_REFERENCES: Final = ("_remove", "remove", "cb", "__call__")
_WITH_THEM: Final = ("weakref.py", "_weakrefset.py", "importlib._bootstrap>")
_waiting: set[_Patience] = set()
_deferred = threading.Event()


def _enough(_signum: int, frame: FrameType | None) -> None:
    """Interrupt the command; later if it is just searching for garbage, where hypothesis is called,
    or taking down an object, itself or with a weak reference to it: an exception would be told of
    there and lost.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("gc_callback", "__del__") or (
            code.co_name in _OF_WEAK_REFERENCES and code.co_filename.endswith(_WITH_THEM)
        ):
            _deferred.set()
            return
        frame = frame.f_back
    if _waiting:
        raise KeyboardInterrupt


@contextlib.contextmanager
def harmless(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have commands work in a folder, none become another program, and none wait for long."""
    for name in ("execv", "execvp", "execve", "execvpe"):
        monkeypatch.setattr(os, name, _became)
    monkeypatch.chdir(folder)
    streams.prepare()
    environment = dict(os.environ)
    old = signal.signal(ENOUGH, _enough)
    try:
        yield
    finally:
        signal.signal(ENOUGH, old)
        os.environ.clear()
        os.environ.update(environment)


class _Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run_here(
    argv: list[str], environment: Mapping[str, str], patience: float, *, terminal: bool = False
) -> Run:
    """Run a command line in this process, with its errors going to a ``terminal`` or not; it is
    interrupted after ``patience`` seconds.
    """
    kind = _Terminal if terminal else io.TextIOWrapper
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors=streams.ERRORS, newline="")
    err = kind(io.BytesIO(), "utf-8", errors=streams.ERRORS, newline="")
    os.environ.clear()
    os.environ.update(environment)
    code: int | None = None
    with open(os.devnull, encoding="utf-8") as nothing:
        kept, sys.stdin = sys.stdin, nothing
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                _Patience(patience),
            ):
                main(argv)
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 999
        except _Became:
            code = 0
        finally:
            sys.stdin = kept
    texts = []
    for stream in (out, err):
        stream.flush()
        buffer = stream.buffer
        assert isinstance(buffer, io.BytesIO)
        texts.append(buffer.getvalue().decode("utf-8", "replace"))
    return Run(argv, code, *texts)


_OURS = re.compile(
    r"Traceback|internal error|object at 0x|NoneType|<class|[a-z]Error\b|Exception|Warning:"
    r"|valid float|invalid literal|could not convert|codec can't|argument must be (?!>|<)"
    r"|expected str|embedded null|must be (str|int)|unhashable"
    r"|\[Errno|positional argument|not supported between|surrogates|errno \d|integer string"
    r"|math domain|cannot convert|out of range for|[Tt]oo large to convert|timestamp out|year \d"
)
"""What only the program's own language says."""

_FIELD = re.compile(
    r"(?m)ERROR: (?:(?:ps|kill|wait): )?\[Errno \d+\]|^\[Errno \d+\]"
    r"|ERROR: --define: .*|: activate: \w+: .*"
)
"""What flux-core's commands say too, and of code that the user wrote."""

_TALK = re.compile(r"^(Try `|usage: |Usage: )")


def complaint(run: Run) -> str:
    """Return what is wrong with what a command said and how it ended, empty if nothing is."""
    if "KeyboardInterrupt" in run.errors:
        return ""  # it came while an object was taken down, which the language reports
    found = _OURS.search(_FIELD.sub("", run.errors))
    if found:
        return f"says {found[0]!r}"
    if run.code is None or run.code == 130:
        return ""
    if not 0 <= run.code <= 255:
        return f"ends with {run.code}"
    said = [line for line in run.errors.splitlines() if not _TALK.match(line)]
    if run.code and not said and "Usage" not in run.errors and not _quiet(run.argv):
        return "fails without a word"
    return ""


def _quiet(argv: list[str]) -> bool:
    """Whether the exit code is the answer: ``flux jobs --stats-only``, ``flux config get -q``."""
    if argv[:1] and argv[0] in ("pgrep", "pkill"):
        return True  # no match is code 1, as of the commands that they are called after
    if argv in (["job", "id"], ["job", "id", "--"]):
        return True  # nothing on standard input is code 1, as of flux-core's command
    return any(word.startswith(("--stats-", "-q", "--q")) for word in argv)


def sample(seed: int, each: int) -> list[list[str]]:
    """Return some command lines, the same for a seed, ``each`` of them for every command."""
    chance = random.Random(seed)
    found: dict[str, list[list[str]]] = {}
    for path, line in command_lines():
        found.setdefault(path, []).append(line)
    return [line for lines in found.values() for line in chance.sample(lines, each)]


def complaints(
    lines: Iterable[list[str]], environment: Mapping[str, str], patience: float
) -> list[str]:
    """Run command lines; returns what is wrong with each that has something wrong."""
    found = []
    for line in lines:
        run = run_here(line, environment, patience)
        wrong = complaint(run)
        if wrong:
            words = " ".join(repr(word[:80]) for word in line)
            found.append(f"{words} {wrong}: {run.errors[-300:]!r}")
    return found
