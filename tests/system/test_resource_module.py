"""The resource module while an instance runs: unloaded on a rank, given other resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as running:
        yield running


def said(instance: Instance, *words: str) -> str:
    return instance.run(*words).stdout.strip()


def listed(instance: Instance) -> str:
    return said(instance, "resource", "list", "-n", "-s", "down", "-o", "{ranks}")


def test_a_rank_without_the_module_is_down(instance: Instance) -> None:
    assert instance.run("exec", "-r", "2", "flux", "module", "remove", "resource").returncode == 0
    until_equal(lambda: listed(instance), "2")
    status = said(instance, "resource", "status", "-n", "-s", "offline", "-o", "{ranks}")
    assert status == "2"
    runs = instance.run("mini", "run", "-N2", "-n2", "true")
    assert runs.returncode == 0, runs.stderr
    held = instance.run("mini", "submit", "-N3", "-n3", "true")
    assert instance.run("exec", "-r", "2", "flux", "module", "load", "resource").returncode == 0
    until_equal(lambda: listed(instance), "")
    assert instance.run("job", "attach", held.stdout.strip()).returncode == 0


def test_rank_0_that_forgot_learns_which_rank_has_no_module(instance: Instance) -> None:
    on_2 = ("exec", "-r", "2", "flux", "module")
    assert instance.run(*on_2, "remove", "resource").returncode == 0
    assert instance.run("module", "reload", "-f", "resource").returncode == 0
    assert instance.run("module", "reload", "sched-simple").returncode == 0
    status = ("resource", "status", "-n", "-s", "offline", "-o", "{ranks}")
    until_equal(lambda: said(instance, *status), "2")
    assert instance.run(*on_2, "load", "resource").returncode == 0
    until_equal(lambda: said(instance, *status), "")
    until_equal(lambda: listed(instance), "")
    assert instance.run("mini", "run", "-N3", "-n3", "true").returncode == 0


def test_resources_are_made_from_hwloc_files(tmp_path: pathlib.Path) -> None:
    core = '<object type="Core"><object type="PU"/><object type="PU"/></object>'
    with running_instance(2) as instance:
        real = instance.run("hwloc", "topology", "-r", "0").stdout
        (tmp_path / "0.xml").write_text(real)
        machine = '<topology><object type="Machine">%s</object></topology>'
        (tmp_path / "1.xml").write_text(machine % (core * 300))
        busy = instance.run("resource", "reload", "--xml", str(tmp_path))
        assert (busy.returncode, "busy" in busy.stderr) == (1, True)
        instance.run("module", "remove", "sched-simple")
        done = instance.run("resource", "reload", "--xml", str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert said(instance, "hwloc", "info", "-r", "1") == "1 Machine, 300 Cores, 600 PUs"
        assert instance.run("hwloc", "topology", "-r", "0").stdout == real
        instance.run("module", "load", "sched-simple")
        one = ("resource", "list", "-n", "-s", "all", "-o", "{rlist}")
        assert "rank1/core[0-299]" in said(instance, *one)
        (tmp_path / "0.xml").write_text("junk")
        instance.run("module", "remove", "sched-simple")
        bad = instance.run("resource", "reload", "-x", str(tmp_path))
        assert bad.returncode == 1
        assert "error building R from hwloc XML: 0.xml: no valid XML" in bad.stderr
