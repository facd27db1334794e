"""Modules: Python files loaded, listed, asked and removed; counters, debug flags, reloading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import flux
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as running:
        yield running


MODULE = """
mod_name = "hello"

def mod_main(h, *args):
    def greet(handle, watcher, message, data):
        handle.respond(message, {"greeting": "hello " + " ".join(args), "rank": handle.get_rank()})
    with h.msg_watcher_create(greet, topic_glob="hello.greet"):
        h.reactor_run()
"""


def test_a_python_module_is_loaded_listed_asked_and_removed(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "hello.py"
    path.write_text(MODULE)
    assert instance.run("module", "load", str(path), "big", "world").stderr == ""
    assert "hello" in instance.run("module", "list").stdout
    with flux.Flux(instance.uri) as h:
        assert h.rpc("hello.greet").get() == {"greeting": "hello big world", "rank": 0}
        assert h.rpc("hello.ping", {"seq": 1}).get()["seq"] == 1
    assert (
        instance.run("module", "load", str(path)).stderr
        == f"flux-module: broker.insmod: {path} module/service is in use\n"
    )
    assert instance.run("module", "remove", "hello").returncode == 0
    assert "hello" not in instance.run("module", "list").stdout


def test_a_file_is_loaded_by_another_name(instance: Instance, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "hello.py"
    path.write_text(MODULE.replace('"hello.greet"', '"other.greet"'))
    assert instance.run("module", "load", "--name=other", str(path), "one", "1").stderr == ""
    shown = instance.run("module", "list", "--long").stdout
    row = next(line for line in shown.splitlines() if line.startswith("other "))
    assert row.endswith(str(path))
    assert shown.splitlines()[0].split()[-1] == "Path"
    assert instance.run("module", "reload", "--name=other", str(path), "two", "2").stderr == ""
    with flux.Flux(instance.uri) as h:
        assert h.rpc("other.greet").get()["greeting"] == "hello two 2"
    names = instance.run("module", "list", "-n", "-o", "{name} {path}").stdout
    assert f"other {path}\n" in names
    assert "hello " not in names
    assert instance.run("module", "remove", "other").returncode == 0
    for given, name, why in (
        ("cron", "again", "cron is built in, it has no other name"),
        (str(path), "a.b", f"{path}: the name of a module is a word without dots, not 'a.b'"),
    ):
        done = instance.run("module", "load", f"--name={name}", given)
        assert (done.returncode, done.stderr) == (1, f"flux-module: broker.insmod: {why}\n")


def test_resources_are_known_again_after_a_reload_of_their_module(instance: Instance) -> None:
    assert instance.run("module", "reload", "-f", "resource").returncode == 0
    assert instance.run("module", "reload", "sched-simple").returncode == 0
    assert instance.run("hwloc", "info").stdout.startswith("3 Machines")
    done = instance.run("mini", "run", "-N3", "-n3", "-l", "echo", "here")
    assert sorted(done.stdout.splitlines()) == ["0: here", "1: here", "2: here"]


def test_a_module_that_only_runs_its_reactor_stays_and_answers(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "file.py"
    path.write_text(
        'mod_name = "quiet"\ndef mod_main(h, *args):\n'
        '    h.log(6, " ".join(args))\n    h.reactor_run()\n'
    )
    assert instance.run("module", "info", str(path)).stdout.startswith("Module name:  quiet\n")
    assert instance.run("module", "load", str(path), "one").stderr == ""
    assert instance.run("module", "debug", "--set", "0x3", "quiet").stdout == "0x3\n"
    counted = ("module", "stats", "--parse", "#request (rx)")
    assert int(instance.run(*counted, "quiet").stdout) >= 2
    assert instance.run("module", "stats", "--clear", "quiet").returncode == 0
    scaled = int(instance.run(*counted, "--scale=10", "quiet").stdout)
    assert scaled in (10, 20)  # the client that cleared may have said goodbye
    assert instance.run("module", "stats", "--rusage", "--parse", "nswap", "quiet").returncode == 0
    assert instance.run("module", "reload", str(path), "two").stderr == ""
    with flux.Flux(instance.uri) as h, pytest.raises(OSError, match="Unknown service method"):
        h.rpc("quiet.nosuch").get()
    log = instance.run("dmesg").stdout
    assert " quiet.info[0]: one\n" in log
    assert " quiet.info[0]: two\n" in log
    assert instance.run("module", "remove", "quiet").stderr == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no mod_main"),
        ("raise ValueError('no')", "ValueError: no"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError: "),
        ("mod_name = 'bad'\ndef mod_main(h): 1/0", ""),
    ],
)
def test_a_broken_module_is_reported(
    instance: Instance, tmp_path: pathlib.Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    done = instance.run("module", "load", str(path))
    assert message in done.stderr
    assert "bad " not in instance.run("module", "list").stdout


def test_a_module_that_fails_is_reported_with_its_place(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "fails.py"
    path.write_text(
        "mod_name = 'fails'\n"
        "def mod_main(h, *args):\n"
        "    if args: return 7\n"
        "    def boom(handle, watcher, message, data):\n"
        "        raise KeyError('no such thing')\n"
        "    with h.msg_watcher_create(boom, topic_glob='fails.go'):\n"
        "        h.reactor_run()\n"
    )
    done = instance.run("module", "load", str(path), "now")
    assert (done.returncode, done.stderr) == (
        1,
        "flux-module: broker.insmod: fails: mod_main returned 7\n",
    )
    assert instance.run("module", "load", str(path)).stderr == ""
    with flux.Flux(instance.uri) as h, pytest.raises(OSError, match="gone"):
        h.rpc("fails.go").get()
    assert "fails " not in instance.run("module", "list").stdout
    log = instance.run("dmesg").stdout
    assert f"broker.err[0]: module fails: KeyError: 'no such thing' ({path}:5)\n" in log
    assert "raise KeyError('no such thing')" in log


@pytest.mark.parametrize("how", ["while True: time.sleep(0.01)", "time.sleep(1000)"])
def test_a_module_that_does_not_end_is_cut_off(
    instance: Instance, tmp_path: pathlib.Path, how: str
) -> None:
    path = tmp_path / "busy.py"
    path.write_text(f"import time\nmod_name = 'busy'\ndef mod_main(h):\n    {how}\n")
    for _ in range(2):  # the name is free again
        assert instance.run("module", "load", str(path)).stderr == ""
        done = instance.run("module", "remove", "busy")
        assert (done.returncode, done.stderr) == (0, "")
    cut = "module busy does not end: it is cut off"
    assert (cut in instance.run("dmesg").stdout) == ("1000" in how)
    instance.run("dmesg", "--clear")


def test_a_file_that_takes_its_time_does_not_hold_up_the_broker(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    go = tmp_path / "go"
    path = tmp_path / "slow.py"
    path.write_text(
        "import os, time\nmod_name = 'slow'\n"
        f"while not os.path.exists('{go}'): time.sleep(0.01)\n"
        "def mod_main(h): raise SystemExit\n"
    )
    with flux.Flux(instance.uri) as h:
        loading = h.rpc("broker.insmod", {"path": str(path), "args": []})
        assert instance.run("ping", "-c1", "kvs").returncode == 0
        assert not loading.is_ready()
        go.touch()
        loading.get()
    assert "module slow: " not in instance.run("dmesg").stdout


def test_a_reload_that_cannot_succeed_leaves_the_module(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "kept.py"
    path.write_text(MODULE.replace("hello", "kept"))
    assert instance.run("module", "load", str(path), "as", "before").stderr == ""
    refused = instance.run("module", "reload", "heartbeat", "nosucharg=1")
    assert (refused.returncode, refused.stderr) == (
        1,
        "flux-module: broker.insmod: nosucharg=1: unknown module option\n",
    )
    assert "heartbeat" in instance.run("module", "list").stdout
    # Loaded by path, and not found by its name.
    assert instance.run("module", "reload", "kept").returncode == 1
    path.write_text("mod_name = 'kept'\n")
    assert "defines no mod_main" in instance.run("module", "reload", str(path)).stderr
    with flux.Flux(instance.uri) as h:
        assert h.rpc("kept.greet").get()["greeting"] == "kept as before"
    # What only shows when it runs: the old arguments, in the file as it is now.
    path.write_text(
        MODULE.replace("hello", "kept").replace(
            "    def greet", "    assert args[0] == 'as'\n    def greet"
        )
    )
    failed = instance.run("module", "reload", str(path), "other")
    assert failed.stderr.endswith("; kept was loaded again as it was\n")
    with flux.Flux(instance.uri) as h:
        assert h.rpc("kept.greet").get()["greeting"] == "kept as before"
    assert instance.run("module", "unload", str(path)).returncode == 0


def test_modules_are_loaded_listed_and_removed_on_other_ranks(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "everywhere.py"
    path.write_text(MODULE.replace("hello", "everywhere"))
    assert instance.run("module", "load", "-r", "1-2", str(path)).stderr == ""
    listed = [instance.run("module", "list", "-r", ranks).stdout for ranks in ("0", "1", "all")]
    assert [text.count("everywhere") for text in listed] == [0, 1, 1]
    refused = instance.run("module", "load", "-r", "all", str(path))
    assert refused.stderr.startswith("flux-module: rank 1: broker.insmod: ")
    assert instance.run("module", "remove", "-r", "all", "everywhere").returncode == 0
    assert instance.run("module", "remove", "-r", "7", "everywhere").returncode == 1


def test_a_ping_of_a_module_shows_its_way(instance: Instance, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "far.py"
    path.write_text(MODULE.replace("hello", "far"))
    assert instance.run("module", "load", str(path)).stderr == ""
    routes = [instance.run("ping", "-c1", name).stdout for name in ("far", "barrier")]
    ways = [text.partition("(")[2].partition(")")[0].split("!") for text in routes]
    assert [len(way) for way in ways] == [3, 3]
    assert ways[0][1] == ways[1][1]
    assert instance.run("module", "remove", "far").returncode == 0


def test_a_module_without_a_name_or_with_one_that_is_taken_is_refused(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "nameless.py"
    for head, said in (
        ("", "defines no mod_name"),
        ("mod_name = 'a.b'", "a word without dots"),
        ("mod_name = 'kvs'", "in use"),
    ):
        path.write_text(f"{head}\ndef mod_main(h): h.reactor_run()\n")
        done = instance.run("module", "load", str(path))
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_the_search_path_is_searched_by_mod_name(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "other-file.py").write_text(MODULE.replace("hello", "sought"))
    instance.environment["FLUX_MODULE_PATH"] = str(tmp_path)
    try:
        assert instance.run("module", "load", "sought").stderr == ""
        assert instance.run("module", "reload", "sought", "again").stderr == ""
        assert instance.run("module", "remove", "sought").returncode == 0
    finally:
        del instance.environment["FLUX_MODULE_PATH"]


def test_the_groups_usage_is_talk(instance: Instance) -> None:
    for words in (["-h"], ["--help"], []):
        done = instance.run("module", *words)
        assert (done.returncode, done.stdout) == (1, "")
        for name in ("list", "remove", "load", "reload", "info", "stats", "debug"):
            assert f"  {name} " in done.stderr
    assert instance.run("module", "load", "-h").returncode == 0


def test_modules_count_their_messages(instance: Instance) -> None:
    def counts(name: str) -> dict[str, int]:
        found: dict[str, int] = json.loads(instance.run("module", "stats", name).stdout)
        return found

    for name in ("connector-local", "barrier", "cron", "heartbeat"):
        assert {
            f"#{kind} ({way})"
            for kind in ("request", "response", "event", "keepalive")
            for way in ("tx", "rx")
        } <= set(counts(name))
    before = counts("connector-local")["#event (tx)"]
    for _ in range(3):
        instance.run("event", "pub", "counted")
    assert counts("connector-local")["#event (tx)"] == before + 3
    for option in ("--clear", "--clear-all"):
        for _ in range(4):
            instance.run("ping", "-c1", "barrier")
        assert counts("barrier")["#request (rx)"] > 4
        instance.run("module", "stats", option, "barrier")
        assert counts("barrier")["#request (rx)"] < 4


def test_messages_of_every_module_are_counted(instance: Instance) -> None:
    """Also of those that have statistics of their own, under the name that 0.88 asks for."""
    with flux.Flux(instance.uri) as h:
        for told in h.rpc("broker.lsmod").get()["mods"]:
            found = h.rpc(f"{told['name']}.stats-get").get()
            assert {"#request (rx)", "#response (tx)"} <= found.keys(), told["name"]
            assert h.rpc(f"{told['name']}.stats.get").get().keys() <= found.keys(), told["name"]
        assert h.rpc("kvs.stats-get").get()["#request (rx)"] > 0
