"""The attributes of a live instance are those that broker/attribute_table.py declares."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

import flux
from broker.attribute_table import ATTRIBUTES, FACTS, Change
from broker.attributes import IMMUTABLE, READONLY
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

SIZE = 3


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(SIZE) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def names(h: flux.Flux, rank: int) -> set[str]:
    return set(h.rpc("attr.list", nodeid=rank).get()["names"])


def value(h: flux.Flux, name: str, rank: int = 0) -> tuple[str, int]:
    try:
        answer = h.rpc("attr.get", {"name": name}, nodeid=rank).get()
    except FileNotFoundError:
        return "", 0
    return answer["value"], answer["flags"]


@pytest.mark.parametrize("rank", range(SIZE))
def test_an_instance_lists_what_is_declared(h: flux.Flux, rank: int) -> None:
    declared = {
        name
        for name, entry in ATTRIBUTES.items()
        if entry.listed and (rank == 0 or not entry.leader_only)
    }
    # The path of the store is made up by the module that opens it, on rank 0.
    assert names(h, rank) | {"content.backing-path"} == declared


def test_lsattr_prints_them(instance: Instance, h: flux.Flux) -> None:
    run = instance.run("lsattr")
    assert set(run.stdout.split()) == names(h, 0)


def test_defaults_are_those_declared(h: flux.Flux) -> None:
    fixed = {name: entry.default for name, entry in ATTRIBUTES.items() if entry.fixed}
    assert {name: value(h, name)[0] for name in fixed} == fixed


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_a_change_is_refused_where_the_table_says_so(h: flux.Flux, name: str) -> None:
    entry = ATTRIBUTES[name]
    text, flags = value(h, name)
    if entry.change in (Change.REFUSED, Change.START):
        with pytest.raises(PermissionError) as refusal:
            h.rpc("attr.set", {"name": name, "value": text or "1"}).get()
        if not flags & (IMMUTABLE | READONLY):  # those are refused in flux-core's words
            assert name in str(refusal.value)
        with pytest.raises((PermissionError, FileNotFoundError)):
            h.rpc("attr.rm", {"name": name}).get()
        assert value(h, name) == (text, flags)
    elif entry.change is Change.ALWAYS:
        assert not flags & (IMMUTABLE | READONLY)
        h.rpc("attr.set", {"name": name, "value": text}).get()
        assert value(h, name) == (text, flags if text else 0)


def test_the_path_of_the_store_is_a_fact_while_there_is_a_store(h: flux.Flux) -> None:
    with pytest.raises(PermissionError, match="while there is a backing store"):
        h.rpc("attr.set", {"name": "content.backing-path", "value": "/elsewhere"}).get()


@pytest.mark.parametrize("name", sorted(FACTS))
def test_facts_are_refused_on_the_command_line(name: str) -> None:
    run = subprocess.run(
        [default_flux(), "start", f"-o,--setattr={name}=1", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"flux-broker: setattr {name}: ")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("hello.timeout=-1", "hello.timeout: invalid value '-1'"),
        ("hello.hwm=x", "hello.hwm: invalid value 'x'"),
        ("tbon.prefertcp=yes", "tbon.prefertcp: invalid value 'yes'"),
        ("tbon.zmqdebug=on", "tbon.zmqdebug: invalid value 'on'"),
        ("log-level=8", "log-level: invalid value '8'"),
        ("log-ring-size=-1", "log-ring-size: invalid value '-1'"),
        ("log-filename=/nosuch/log", "log-filename: /nosuch/log: No such file or directory"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(setting: str, sentence: str) -> None:
    run = subprocess.run(
        [default_flux(), "start", f"-o,--setattr={setting}", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, f"flux-broker: {sentence}\n")


def test_a_module_reads_its_attributes_when_it_is_loaded(instance: Instance, h: flux.Flux) -> None:
    h.rpc("attr.set", {"name": "heartbeat.period", "value": "3s"}).get()
    assert h.rpc("heartbeat.get").get()["period"] != 3.0
    assert instance.run("module", "reload", "heartbeat").returncode == 0
    assert h.rpc("heartbeat.get").get()["period"] == 3.0
    h.rpc("attr.set", {"name": "heartbeat.period", "value": "2s"}).get()
    assert instance.run("module", "reload", "heartbeat").returncode == 0


def test_shells_take_the_initrc_and_the_plugin_path_of_the_instance(
    instance: Instance, h: flux.Flux, tmp_path: pathlib.Path
) -> None:
    pytest.importorskip("lupa")
    script = tmp_path / "init.lua"
    script.write_text('shell.setenv("P", plugin.searchpath)\n')
    names = {"conf.shell_initrc": str(script), "conf.shell_pluginpath": "/one:/two"}
    before = {name: value(h, name)[0] for name in names}
    for name, text in names.items():
        h.rpc("attr.set", {"name": name, "value": text}).get()
    run = instance.run("mini", "run", "sh", "-c", "echo $P")
    for name, text in before.items():
        h.rpc("attr.set", {"name": name, "value": text}).get()
    assert (run.returncode, run.stdout, run.stderr) == (0, "/one:/two\n", "")
    assert instance.run("mini", "run", "sh", "-c", "echo $P").stdout == "\n"


def test_those_of_the_start_count_from_the_start() -> None:
    chosen = {
        "tbon.fanout": "1",
        "overlay.timeout": "17",
        "content.hash": "sha256",
        "access.guest-connections": "7",
        "heartbeat.period": "1s",
        "log-stderr-level": "2",
    }
    options = [f"-o,--setattr={name}={text}" for name, text in chosen.items()]
    with running_instance(SIZE, *options) as running, flux.Flux(running.uri) as handle:
        assert {name: value(handle, name)[0] for name in chosen} == chosen
        assert value(handle, "tbon.maxlevel")[0] == "2"
        assert handle.rpc("heartbeat.get").get()["period"] == 1.0


def test_events_of_the_trees_sockets_are_logged_when_asked_for() -> None:
    with running_instance(2, "-o,--setattr=tbon.zmqdebug=1") as running:
        with flux.Flux(running.uri) as handle:
            endpoint = value(handle, "tbon.endpoint")[0]
            with pytest.raises(PermissionError, match="at the start"):
                handle.rpc("attr.set", {"name": "tbon.zmqdebug", "value": "0"}).get()
        expected = {
            f": {side} sockevent {endpoint} {what}\n"
            for side, what in (
                *(("child", "listening"), ("child", "handshake succeeded")),
                *(("parent", "connected"), ("parent", "handshake succeeded")),
            )
        }

        def missing() -> set[str]:
            log = running.run("exec", "flux", "dmesg").stdout
            return {line for line in expected if line not in log}

        until_equal(missing, set())
    with running_instance(2) as running:
        assert "sockevent" not in running.run("exec", "flux", "dmesg").stdout


def test_what_only_clients_of_today_ask_for_is_told_but_not_listed(h: flux.Flux) -> None:
    for rank in range(SIZE):
        assert 0 < time.time() - float(value(h, "broker.starttime", rank)[0]) < 86400
        assert "broker.starttime" not in names(h, rank)


SHOW = " && ".join(
    f"flux getattr {name}"
    for name in ("broker.boot-method", "jobid-path", "rundir-cleanup", "tbon.topo")
)


def test_attributes_of_today() -> None:
    def shown(*words: str) -> list[str]:
        command = [str(default_flux()), "start", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.splitlines()

    assert shown(SHOW) == ["single", "/", "1", "kary:2"]
    inner = f"flux alloc -n1 sh -c '{SHOW}'; flux getattr tbon.maxlevel"
    unlisted = "flux lsattr | grep -c topo || :"
    found = shown("-s4", "-Stbon.topo=kary:0", f"{SHOW}; {inner}; {unlisted}")
    assert found[:4] == ["simple", "/", "0", "kary:32768"]
    assert found[4] == "simple"
    assert found[5].startswith("/ƒ")
    assert found[8:] == ["1", "0"]


def test_the_loss_of_a_critical_rank_ends_the_instance() -> None:
    script = "kill -9 $(flux exec -r 2 flux getattr broker.pid); sleep 60"
    command = [str(default_flux()), "start", "-s3", "-Sbroker.critical-ranks=2", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "broker.critical-ranks: 2 lost, the instance ends" in done.stderr
    assert done.returncode == 143  # the initial program was ended
