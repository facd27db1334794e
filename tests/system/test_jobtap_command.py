"""``flux jobtap``: plugins of the job manager are listed, loaded and removed (flux-jobtap(1))."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = """
def flux_plugin_init(plugin):
    plugin.add_handler("job.new", begin)

def begin(plugin, topic, args):
    args.out["annotations"] = {"test": plugin.conf.get("value", "none")}
"""


@pytest.fixture
def instance() -> Iterator[Instance]:
    with running_instance(1) as instance:
        for name in ("one.py", "two.py"):
            (instance.home / name).write_text(PLUGIN)
        yield instance


def listed(instance: Instance, *options: str) -> list[str]:
    done = instance.run("jobtap", "list", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def load(instance: Instance, *arguments: str) -> None:
    done = instance.run("jobtap", "load", *arguments)
    assert done.returncode == 0, done.stderr


def test_built_in_plugins_are_hidden(instance: Instance) -> None:
    assert listed(instance) == []
    for option in ("-a", "--all"):
        assert ".priority-default" in listed(instance, option)
    assert all(name.startswith(".") for name in listed(instance, "-a"))


def test_a_plugin_with_its_configuration(instance: Instance) -> None:
    load(instance, f"{instance.home}/one.py", "value=blue")
    assert listed(instance) == ["one.py"]
    told = instance.run("jobtap", "query", "one.py").stdout
    assert json.loads(told) == {"name": "one.py", "path": f"{instance.home}/one.py"}
    none = instance.run("jobtap", "query", "two.py")
    assert (none.returncode, none.stderr) == (1, "flux-jobtap: ERROR: two.py: plugin not found\n")
    instance.run("mini", "submit", "--urgency=hold", "true")
    assert instance.run("jobs", "-n", "-o", "{annotations.test}").stdout == "blue\n"
    again = instance.run("jobtap", "load", "/nosuch/plugin.py")
    assert again.returncode == 1
    assert again.stderr == "flux-jobtap: ERROR: /nosuch/plugin.py not found\n"


@pytest.mark.parametrize("option", ["-r", "--remove"])
def test_one_takes_the_place_of_others(instance: Instance, option: str) -> None:
    load(instance, f"{instance.home}/one.py")
    load(instance, option, "one.py", f"{instance.home}/two.py")
    assert listed(instance) == ["two.py"]
    load(instance, option, "all", f"{instance.home}/one.py")
    assert listed(instance) == ["one.py"]


def test_names_and_globs_are_removed(instance: Instance) -> None:
    for name in ("one.py", "two.py"):
        load(instance, f"{instance.home}/{name}")
    assert instance.run("jobtap", "remove", "o*").returncode == 0
    assert listed(instance) == ["two.py"]
    assert instance.run("jobtap", "remove", "all").returncode == 0
    assert listed(instance) == []
    assert ".priority-default" in listed(instance, "-a")
    done = instance.run("jobtap", "remove", "nosuch")
    assert (done.returncode, "nosuch" in done.stderr) == (1, True)
