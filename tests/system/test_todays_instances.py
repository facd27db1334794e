"""Today's commands about an instance of two brokers, its nodes and those inside it: what they
print, do and exit with.
"""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .saying import flux, said
from .watching import PATIENCE, background, line, until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def instance_job(instance: Instance, *words: str) -> str:
    """A job that is an instance, which waits to be shut down."""
    return said(instance, "alloc", "-n1", "--bg", *words)


def test_uptime(instance: Instance) -> None:
    pattern = r" \d\d:\d\d:\d\d run [0-9.]+[smhd],  owner \S+,  depth 0,  size 2"
    assert re.fullmatch(pattern, flux(instance, "uptime").stdout.rstrip("\n"))
    flux(instance, "resource", "drain", "1", "testing")
    flux(instance, "queue", "disable", "testing")
    flux(instance, "queue", "stop", "testing")
    first, second = flux(instance, "uptime").stdout.splitlines()
    assert first.endswith(",  1 drained")
    assert second == "  submit disabled,  scheduler stopped"
    found = json.loads(said(instance, "uptime", "--json"))
    assert (found["drained"], found["submit"], found["scheduling"]) == (1, False, False)
    flux(instance, "resource", "undrain", "1")
    flux(instance, "queue", "enable")
    flux(instance, "queue", "start")


def test_resource_info(instance: Instance) -> None:
    found = json.loads(said(instance, "resource", "info", "--json"))
    cores = found["ncores"]
    assert said(instance, "resource", "info") == f"2 Nodes, {cores} Cores, 0 GPUs"
    one = said(instance, "resource", "info", "-i", "0", "-s", "up,down")
    assert one == f"1 Nodes, {cores // 2} Cores, 0 GPUs"
    assert said(instance, "resource", "info", "-i", "7") == ""
    done = flux(instance, "resource", "info", "-s", "nosuch", code=1)
    assert done.stderr == "flux-resource: ERROR: Invalid resource state nosuch specified\n"


def test_hostlist(instance: Instance) -> None:
    hosts = said(instance, "hostlist", "--expand", "instance").split()
    assert len(hosts) == 2
    assert said(instance, "hostlist", "--count", "avail") == "2"
    jobid = said(instance, "submit", "-N1", "--wait", "true")
    assert said(instance, "hostlist", jobid) == hosts[0]
    assert said(instance, "run", "flux", "hostlist", "--local") == hosts[0]
    done = flux(instance, "hostlist", "f1", code=1)
    assert done.stderr == "flux-hostlist: ERROR: job f1 not found\n"
    assert said(instance, "hostlist", "--fallback", "f1") == "f1"
    assert json.loads(said(instance, "hostlist", "--json", "a[1-2]")) == ["a1", "a2"]
    flux(instance, "hostlist", "-q", "-i", "a[1-2]", "b[1-2]", code=1)
    done = flux(instance, "hostlist", "-i", "-m", "a1b", "b1c", code=2)
    assert done.stderr.endswith("argument -m/--minus: not allowed with argument -i/--intersect\n")


def test_lookup_in_the_overlay(instance: Instance) -> None:
    hosts = said(instance, "hostlist", "-e", "instance").split()
    assert said(instance, "overlay", "lookup", "1") == hosts[1]
    ranks = [str(rank) for rank, host in enumerate(hosts) if host == hosts[0]]
    assert said(instance, "overlay", "lookup", hosts[0]) == f"{ranks[0]}-{ranks[-1]}"
    done = flux(instance, "overlay", "lookup", "7", code=1)
    assert done.stderr == "flux-overlay: 7 is not in this instance\n"


# Instances in instances


def test_pstree_and_shutdown(instance: Instance, tmp_path: pathlib.Path) -> None:
    jobid = instance_job(instance, "--job-name=outer")
    flux(instance, "proxy", jobid, "flux", "submit", "--wait-event=start", "sleep", "600")
    assert said(instance, "pstree").splitlines() == [".", "└── outer", "    └── sleep"]
    assert said(instance, "pstree", "-L0").splitlines() == [".", "└── outer"]
    everything = said(instance, "pstree", "-a").splitlines()
    assert "├── outer" in everything or "└── outer" in everything
    assert said(instance, "pstree", "-ax", "--label={name}").splitlines()[1].endswith(" outer")
    deep = ("flux", "--root", "getattr", "instance-level")
    assert said(instance, "proxy", jobid, *deep) == "0"
    (found,) = json.loads(said(instance, "pstree", "--json"))["children"]
    assert (found["name"], [job["name"] for job in found["children"]]) == ("outer", ["sleep"])
    assert said(instance, "pstree", "--ascii", "-p", jobid).splitlines() == [
        f"{jobid} outer",
        "`-- sleep",
    ]
    header, outer, inner = said(instance, "pstree", "-d", "stats").splitlines()
    assert header.split() == ["JOBID", "STATS", "RUNTIME"]
    assert "PD:0 R:1 CD:0 F:0" in outer
    assert inner.endswith("└── sleep")
    dump = tmp_path / "kept.tgz"
    dump.touch()
    done = flux(instance, "shutdown", f"--dump={dump}", jobid, code=1)
    assert done.stderr == f"flux-shutdown: {dump} exists already; nothing is shut down\n"
    done = flux(instance, "shutdown", "-y", f"--dump={dump}", jobid)
    assert "rc3-success: finalize->exit" in done.stderr
    assert tarfile.is_tarfile(dump)
    flux(instance, "job", "wait-event", "-q", jobid, "clean")
    assert said(instance, "pstree") == "."


def test_shutdown_in_the_background(instance: Instance) -> None:
    jobid = instance_job(instance)
    done = flux(instance, "shutdown", "--background", jobid)
    assert (done.stdout, done.stderr) == ("", "")
    until(lambda: said(instance, "jobs", "-no{state}", jobid) == "INACTIVE")


def test_shutdown_of_this_instance() -> None:
    with running_instance(2) as running:
        done = flux(running, "shutdown", "--quiet")
        assert done.stdout == ""
        until(lambda: running.process.poll() is not None)


def test_fortunes(instance: Instance) -> None:
    from fluxctl.fortunes import CATEGORIES

    for kind, texts in CATEGORIES.items():
        found = flux(instance, "fortune", "-c", kind).stdout.strip("\n")
        assert found in [text.strip("\n") for text in texts]


# The log of resources


def test_the_log_of_resources(instance: Instance) -> None:
    flux(instance, "resource", "drain", "1", "its fan")
    try:
        log = [
            json.loads(line)
            for line in said(instance, "resource", "eventlog", "--json").split("\n")
        ]
        assert log[-1]["name"] == "drain"
        assert log[-1]["context"] == {"idset": "1", "reason": "its fan"}
        last = said(instance, "resource", "eventlog", "-i1").splitlines()[-1]
        assert re.fullmatch(r'\d+\.\d{6} drain idset="1" reason="its fan"', last)
        host = said(instance, "hostlist", "local")
        assert said(instance, "resource", "eventlog", "-i", host).splitlines()[-1] == last
        done = flux(instance, "resource", "eventlog", "-w", "never", "-t", "0.1", code=1)
        assert done.stderr == "flux-resource: ERROR: ETIMEDOUT: Connection timed out\n"
        assert last in done.stdout
    finally:
        flux(instance, "resource", "undrain", "1")


def test_an_event_of_resources_is_waited_for(instance: Instance) -> None:
    words = ("resource", "eventlog", "-w", "drain", "-m", "reason=of the wait")
    with background(instance, *words) as waiting:
        until(lambda: line(waiting) != "")
        flux(instance, "resource", "drain", "0", "of", "the", "wait")
        out, errors = waiting.communicate(timeout=PATIENCE)
        assert (waiting.returncode, errors) == (0, "")
        assert out.splitlines()[-1].endswith(' drain idset="0" reason="of the wait"')
    flux(instance, "resource", "undrain", "0")
