"""A plugin that does anything at any time: jobs come to their end all the same, by legal events."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from broker.services.job_manager.states import Job, apply, broken_rules

from .cluster import Cluster, jobspec
from .plugged import load, logged, plugin_of, remove

if TYPE_CHECKING:
    import pathlib

    from flux.job.types import EventEntry

CHAOS = """
def flux_plugin_init(plugin):
    plugin.dice = None
    plugin.add_handler("*", anything)


def anything(plugin, topic, args):
    dice = plugin.dice
    if dice is None or dice.random() < 0.6:
        return None
    ids = [job["id"] for job in plugin.jobs()] + [args["id"]]
    id = dice.choice(ids)
    kind = dice.randrange(14)
    if kind == 0:
        raise RuntimeError("chaos")
    if kind == 1:
        return dice.choice([-1, False, "x", 7])
    if kind == 2:
        args.out["priority"] = dice.choice([5, 99, -1, "x", 1 << 40, None])
    if kind == 3:
        plugin.priority_unavail(args)
    if kind == 4:
        plugin.reprioritize_job(id, dice.randrange(100))
    if kind == 5:
        plugin.reprioritize_all()
    if kind == 6:
        plugin.dependency_add(id, f"d{dice.randrange(5)}")
    if kind == 7:
        for one in ids:
            for description in plugin.dependencies(one):
                if description.startswith("d"):
                    plugin.dependency_remove(one, description)
    if kind == 8:
        plugin.raise_exception(id, "chaos", dice.choice([0, 3]))
    if kind == 9:
        plugin.event_post(id, "memo", {"n": dice.random()})
    if kind == 10:
        plugin.job_subscribe(id)
    if kind == 11:
        plugin.annotate(id, {"user": {"n": dice.random()}})
    if kind == 12:
        plugin.reject_job(args, "chaos")
    if kind == 13:
        plugin.get_flux().call_later(0, anything, plugin, "timer", args)
    return None
"""


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_a_plugin_does(tmp_path: pathlib.Path, seed: int) -> None:
    dice = random.Random(seed)
    cluster = Cluster()
    await cluster.start()
    plugin: Any = await load(cluster, tmp_path, CHAOS)
    plugin.dice = dice
    machine = cluster.manager.service.core.machine
    ids: list[int] = []
    for _ in range(60):
        spec = jobspec()
        if ids and dice.random() < 0.5:
            scheme = dice.choice(["afterok", "afterany", "after", "afternotok"])
            spec = jobspec(dependencies=[{"scheme": scheme, "value": str(dice.choice(ids))}])
        with contextlib.suppress(OSError):
            ids.append(await cluster.submit(spec, urgency=dice.choice([0, 16, 16, 20, 31])))
        for job in machine.jobs.values():
            assert broken_rules(job) == []
    assert plugin_of(cluster) is plugin
    await remove(cluster)
    everything: dict[str, object] = {
        "dry_run": False,
        "userid": 0xFFFFFFFF,
        "states": 62,
        "severity": 0,
        "type": "cancel",
        "note": "",
    }
    await cluster.manager.request("job-manager.raiseall", everything)
    await cluster.manager.until(lambda: not machine.jobs)
    await cluster.manager.until(lambda: all("clean" in cluster.names(id) for id in ids))
    assert not machine.embryos
    for id in ids:
        job = Job(id)
        for entry in cluster.eventlog(id):
            apply(job, cast("EventEntry", entry))  # it raises for an event that may not come then
        assert cluster.names(id)[0] == "submit"
        assert cluster.names(id)[-1] == "clean"
    # Whatever is logged as an error is the plugin's: nothing else has failed.
    print(
        "\n".join(e.text for e in cluster.manager.logs if e.severity == 7 or "submission" in e.text)
    )
    assert [text for text in logged(cluster) if not text.startswith("jobtap: ")] == []
    await cluster.stop()
