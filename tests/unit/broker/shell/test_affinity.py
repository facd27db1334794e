"""Which CPUs and GPUs tasks get, by the options for it."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from broker.shell.plugins.affinity import AffinityPlugin, parse_map
from broker.shell.plugins.gpubind import GpuBindPlugin
from broker.shell.task import ShellTask
from tests.unit.broker.shell.shells import shell


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("0;1", [[0], [1], [0]]),
        ("0-2,5;0x3;1", [[0, 1, 2, 5], [0, 1], [1]]),
        ("0x1,0x00000002", [[1, 32]] * 3),
        (" 7 ", [[7]] * 3),
    ],
)
def test_lists_and_masks(text: str, ids: list[list[int]]) -> None:
    assert parse_map(text, 3) == ids


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("", ""),
        ("x", "x"),
        ("0;;1", ""),
        ("0x0", "0x0"),
        ("0xg", "0xg"),
        ("0-", "0-"),
        ("0x1;y", "y"),
        ("0-99999999999", "0-99999999999"),
    ],
)
def test_entries_that_are_neither(text: str, bad: str) -> None:
    with pytest.raises(ValueError, match=f"^{bad}$"):
        parse_map(text, 1)


def messages(option: object) -> tuple[AffinityPlugin, list[str]]:
    context, recorder = shell(2, options={"cpu-affinity": option})
    plugin = AffinityPlugin(context)
    assert plugin.wanted()
    plugin.shell_init()
    context.peers.flush_entries()
    return plugin, re.findall(r'"message":"(.*?)"', recorder.log())


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("verbose,map:0", ["cpus: 0", "task 0: cpus: 0", "task 1: cpus: 0"]),
        ("dry-run,map:0", ["cpus: 0", "task 0: cpus: 0", "task 1: cpus: 0"]),
        ("verbose,dry-run,map:0", ["cpus: 0", "task 0: cpus: 0", "task 1: cpus: 0"]),
        ("map:0", []),
        ("on", []),
        ("verbose,off", []),
        (True, []),
        ("bogus", ["invalid option: bogus"]),
        (7, ["invalid option: 7"]),
    ],
)
def test_what_is_said_of_it(option: object, said: list[str]) -> None:
    _, texts = messages(option)
    assert texts == said


def test_a_dry_run_binds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[set[int]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: bound.append(cpus))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    for option in ("dry-run,map:1", "map:1"):
        context, _ = shell(1, options={"cpu-affinity": option})
        plugin = AffinityPlugin(context)
        plugin.shell_init()
        task = ShellTask(0, 0, ["true"], {})
        plugin.task_init(task)
        plugin.task_fork(task)
    assert bound == [{1}, {0, 1, 2}]


@pytest.mark.parametrize("plugin", [AffinityPlugin, GpuBindPlugin])
def test_a_bad_map_is_refused_by_name(plugin: Any) -> None:
    context, recorder = shell(2, options={"cpu-affinity": "map:x;0", "gpu-affinity": "map:x;0"})
    with pytest.raises(OSError, match=r"[cg]pu-affinity=map:x;0 is invalid: 'x' is no list or"):
        plugin(context).shell_init()
    context.peers.flush_entries()
    assert "is invalid" in recorder.log()


@pytest.mark.parametrize(
    ("option", "visible"),
    [("on", "0"), ("per-task", "0"), ("map:3;1-2", "1,2"), ("bogus", "0"), (True, "0")],
)
def test_gpus_of_the_second_task(option: object, visible: str) -> None:
    context, recorder = shell(2, options={"gpu-affinity": option})
    plugin = GpuBindPlugin(context)
    plugin.shell_init()
    task = ShellTask(1, 1, ["true"], {})
    plugin.task_init(task)
    assert task.env["CUDA_VISIBLE_DEVICES"] == visible
    context.peers.flush_entries()
    assert ("gpu-affinity: invalid option: bogus" in recorder.log("exec")) is False
    assert ("invalid option: bogus" in recorder.log()) is (option == "bogus")
