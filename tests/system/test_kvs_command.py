"""``flux kvs`` and ``flux cron`` as people type them."""

from __future__ import annotations

import os
import pty
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, background, until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        for words in (
            ("put", "t.a=1", "t.b.c=2", "t.d.x=3"),
            ("mkdir", "t.e"),
            ("link", "t.b", "t.link"),
            ("link", "t.a", "t.vlink"),
            ("link", "nosuch", "t.dangling"),
        ):
            assert running.run("kvs", *words).returncode == 0
        yield running


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("get ....t.a", "1\n"),
        ("get t.a....", "1\n"),
        ("get t...b..c", "2\n"),
        ("get -S t.a t.b.c", "1\n2\n"),
        ("get .t..link.c", "2\n"),
        ("ls -1F t.", "a\nb.\nd.\ndangling@\ne.\nlink@\nvlink@\n"),
        ("ls -d t.d.", "t.d\n"),
        ("ls -1 ..", "resource\nt\n"),
        ("ls t.link", "c\n"),
        ("ls t.link.", "c\n"),
        ("ls -R t.link", "t.link:\nc\n"),
        ("ls -F t.link", "t.link@\n"),
        ("ls -d t.link", "t.link\n"),
        ("ls -1 t.vlink t.dangling", "t.dangling\nt.vlink\n"),
        ("dir -R t.b.", "t.b.c = 2\n"),
        (
            "dir -d .t.",
            "t.a\nt.b.\nt.d.\nt.dangling -> nosuch\nt.e.\nt.link -> t.b\nt.vlink -> t.a\n",
        ),
        ("readlink .t..link.", "t.b\n"),
    ],
)
def test_spare_periods_and_links(instance: Instance, words: str, expected: str) -> None:
    run = instance.run("kvs", *words.split())
    assert (run.returncode, run.stdout, run.stderr) == (0, expected, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("unlink -f t.b.", "flux-kvs: cannot unlink 't.b.': Directory not empty"),
        ("ls t.a.", "t.a: Not a directory"),
        ("ls t.vlink.", "t.vlink: Not a directory"),
        ("ls t.dangling.", "t.dangling: Not a directory"),
        ("get -N nosuch k", "flux-kvs: k: Operation not supported"),
        ("dir t.a.", "flux-kvs: t.a: Not a directory"),
    ],
)
def test_what_is_refused(instance: Instance, words: str, message: str) -> None:
    run = instance.run("kvs", *words.split())
    assert (run.returncode, run.stdout, run.stderr) == (1, "", message + "\n")


def test_a_namespace_begins_with_a_root_that_is_there(instance: Instance) -> None:
    root = instance.run("kvs", "getroot", "-b").stdout.strip()
    assert instance.run("kvs", "namespace", "create", "-r", root, "again").returncode == 0
    try:
        assert instance.run("kvs", "get", "-N", "again", "t.b.c").stdout == "2\n"
        assert instance.run("kvs", "put", "-N", "again", "t.b.c=5").returncode == 0
        assert instance.run("kvs", "get", "t.b.c").stdout == "2\n"
    finally:
        instance.run("kvs", "namespace", "remove", "again")


def test_copies_and_moves_take_spare_periods(instance: Instance) -> None:
    assert instance.run("kvs", "copy", "..t..b.", "q..r").returncode == 0
    assert instance.run("kvs", "move", ".q.", "w..w.").returncode == 0
    assert instance.run("kvs", "dir", "-R", "w").stdout == "w.w.r.c = 2\n"
    assert instance.run("kvs", "unlink", "-R", "..w.").returncode == 0
    assert "w" not in instance.run("kvs", "ls", "-1").stdout.split()


def test_empty_directories_are_shown_in_the_list_of_all(instance: Instance) -> None:
    run = instance.run("kvs", "dir", "-R", "t")
    assert "t.d.x = 3\nt.dangling -> nosuch\nt.e.\n" in run.stdout
    assert instance.run("kvs", "dir", "-R", "t.e").stdout == ""


def test_a_large_directory_is_shown(instance: Instance) -> None:
    short = {f"big.n{number:03}": str(number) for number in range(300)}
    values = {**short, "big.long": "x" * 10000}  # a blob of its own
    pairs = [f"{key}={text}" for key, text in values.items()]
    assert instance.run("kvs", "put", *pairs).returncode == 0
    shown = instance.run("kvs", "dir", "-w0", "big").stdout.splitlines()
    assert shown == [f"{key} = {values[key]}" for key in sorted(values)]
    assert instance.run("kvs", "unlink", "-R", "big").returncode == 0


def test_a_value_is_shown_up_to_a_nul(instance: Instance) -> None:
    command = (
        'printf "a\\0b" | flux kvs put -r z=-; flux kvs get z; flux kvs get -l z; flux kvs get -r z'
    )
    run = subprocess.run(
        ["sh", "-c", command], env=instance.environment, capture_output=True, timeout=60, check=True
    )
    assert run.stdout == b"a\nz=a\na\0b"
    assert "z = a\n" in instance.run("kvs", "dir").stdout


def test_a_key_may_be_waited_for_before_its_namespace(instance: Instance) -> None:
    watchers = ("module", "stats", "-p", "watchers", "kvs-watch")
    with background(instance, "kvs", "get", "-W", "-N", "later", "k") as waiting:
        until_equal(lambda: instance.run(*watchers).stdout, "1\n")
        instance.run("kvs", "namespace", "create", "later")
        instance.run("kvs", "put", "-N", "later", "k=v")
        assert waiting.communicate(timeout=PATIENCE)[0] == "v\n"


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (("get", "-N", "nosuch", "k"), "flux-kvs: k"),
        (("ls", "-N", "nosuch"), "."),
        (("dir", "-N", "nosuch"), "flux-kvs: ."),
    ],
)
def test_on_a_terminal_it_is_said_that_the_namespace_may_not_exist(
    instance: Instance, words: tuple[str, ...], subject: str
) -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [instance.flux, "kvs", *words],
            env=instance.environment,
            stderr=theirs,
            timeout=60,
            check=False,
        )
        text = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    hint = "(is there a namespace 'nosuch'? flux kvs namespace list shows all)"
    assert text == f"{subject}: Operation not supported {hint}\r\n"


def test_cron_entries_that_cannot_run_or_are_deleted_while_they_do(instance: Instance) -> None:
    instance.run("cron", "sync", "--disable")
    for words in (
        ("--after=.01s", "0", "true"),
        ("-c1", "-o", "rank=99", ".01s", "true"),
        ("-c1", ".01s", "notaprogram"),
        ("-c1", ".01s", "sleep 1000"),
    ):
        assert instance.run("cron", "interval", *words).returncode == 0
    wanted = ["Success", "Rexec Failure", "Exec-Error", "Running"]
    rows = partial(instance.run, "cron", "list")
    until_equal(lambda: [row[61:].strip() for row in rows().stdout.splitlines()[1:]], wanted)
    removed = instance.run("cron", "delete", "4").stdout
    assert removed.startswith("Removed cron-4: sleep still running. Started ")
    dump = instance.run("cron", "dump", "-k", "task.1.state", "4")
    assert dump.stdout == "Running\n"
    assert instance.run("cron", "delete", "--kill", "4").returncode == 0
    gone = "flux-cron dump: cron-4: No such cron entry found\n"
    until_equal(lambda: instance.run("cron", "dump", "4").stderr, gone)


def test_a_crontab_is_taken_whole_or_not_at_all(instance: Instance) -> None:
    before = len(instance.run("cron", "list").stdout.splitlines())
    bad = instance.run("cron", "tab", stdin="0 0 1 jan * good\n0 0 L * * bad\n")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == "flux-cron tab: line 2: mday: L is not a number\n"
    assert len(instance.run("cron", "list").stdout.splitlines()) == before
    good = instance.run("cron", "tab", stdin="0 0 30 Dec * true\n* * * * mon-fri true\n")
    assert (good.returncode, good.stderr, good.stdout.count("created")) == (0, "", 2)
