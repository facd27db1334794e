"""Priorities of several factors in real brokers: the command, usage over a restart, site plugins
that misbehave.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from fluxctl.examples import Example, examples_of
from tests.system.watching import until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

TABLE = """
[priority]
calc-period = "0.2s"
max-age = "1d"
[priority.weight]
age = 1000
job-size = 1000
fairshare = 10000
"""
PLUGIN = """
import slurm
plugin_name, plugin_type = "site", "site_factor/mine"
def init(): pass
def fini(): print("the end")
def site_factor_p_reconfig(): slurm.info("reconfig")
def site_factor_p_update(): pass
def site_factor_p_set(job): job.site_factor = slurm.NICE_OFFSET + 500
"""


@contextlib.contextmanager
def configured(folder: pathlib.Path, text: str, *options: str) -> Iterator[Instance]:
    folder.joinpath("a.toml").write_text(text)
    with running_instance(1, f"--config-path={folder}/a.toml", *options) as instance:
        yield instance


def fill(instance: Instance) -> str:
    """Have a job take the machine."""
    cores = len(os.sched_getaffinity(0))
    done = instance.run("mini", "submit", "--urgency=31", f"-n{cores}", "sleep", "inf")
    job = done.stdout.strip()
    instance.run("job", "wait-event", "-t60", job, "start")
    return job


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with configured(tmp_path_factory.mktemp("conf"), TABLE) as instance:
        fill(instance)
        for number in range(3):
            instance.run("mini", "submit", f"--setattr=system.nice={number}", "true")
        until(lambda: len(instance.run("priority", "-h").stdout.splitlines()) == 3)
        instance.environment["USER"] = "root" if os.getuid() == 0 else str(os.getuid())
        yield instance


@pytest.mark.parametrize("example", examples_of("priority"), ids=lambda one: one.purpose)
def test_an_example_works(instance: Instance, example: Example) -> None:
    done = subprocess.run(
        ["bash", "-ec", "set -o pipefail\n" + "\n".join(example.commands)],
        env=instance.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_what_is_shown_adds_up(instance: Instance) -> None:
    lines = instance.run("priority", "--json").stdout.splitlines()
    for job in map(json.loads, lines):
        total = 1000 * job["age"] + 1000 * job["jobsize"] + 10000 * job["fairshare"] - job["nice"]
        assert job["priority"] == pytest.approx(total, abs=5)
    assert len(lines) == 3


def test_chosen_jobs(instance: Instance) -> None:
    def jobs(*words: str) -> list[str]:
        return instance.run("priority", "-h", "-o", "%i %N", *words).stdout.split("\n")[:-1]

    every = jobs()
    first = every[0].split()[0]
    assert [line.split()[1] for line in every] == ["0", "1", "2"]
    assert jobs("-S", "-N") == every[::-1]
    assert jobs("-j", first) == every[:1]
    assert jobs("-u", str(os.getuid())) == every
    assert jobs("-p", "nosuch") == []
    nobody = instance.run("priority", "-u", "65533")
    assert nobody.returncode == 0
    assert "Unable to find jobs matching" in nobody.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-j", "x"), "Invalid job id specified: x"),
        (("-u", "nosuchuser"), "Invalid user: nosuchuser"),
        (("-u", "9" * 30), "Invalid user"),
        (("-o", "%z"), "Invalid job format specification: z"),
        (("-S", "z"), "Invalid sort specification: z"),
        (("word",), "unexpected extra argument"),
    ],
)
def test_wrong_words(instance: Instance, words: tuple[str, ...], text: str) -> None:
    done = instance.run("priority", *words)
    assert done.returncode == 1
    assert text in done.stderr
    assert done.stdout == ""


def test_the_format_of_the_environment(instance: Instance) -> None:
    instance.environment["SPRIO_FORMAT"] = "%N"
    try:
        assert instance.run("priority", "-h").stdout == "0\n1\n2\n"
        assert instance.run("priority", "-h", "-o", "x%N").stdout == "x0\nx1\nx2\n"
    finally:
        del instance.environment["SPRIO_FORMAT"]


def test_without_the_plugin_a_sentence_says_so() -> None:
    with running_instance() as instance:
        done = instance.run("priority")
        assert done.returncode == 1
        text = (
            "priorities have one factor, the urgency: there is no [priority] in the configuration"
        )
        assert done.stderr == f"flux-priority: {text}\n"
        assert instance.run("priority", "-w").stderr == f"flux-priority: {text}\n"


def test_usage_outlives_the_instance(tmp_path: pathlib.Path) -> None:
    text = TABLE.replace('"0.2s"', '"1h"')
    store = f"-o-Scontent.backing-path={tmp_path}/content.sqlite"
    with configured(tmp_path, text, store) as instance:
        job = fill(instance)
        instance.run("mini", "submit", "--setattr=system.bank=idle", "sleep", "inf")
        instance.run("job", "cancel", job)
        instance.run("job", "wait-event", "-t60", job, "clean")
        instance.run("job", "cancelall", "-f")
        instance.run("queue", "idle")
    with configured(tmp_path, text, store) as instance:
        fill(instance)
        for bank in ("default", "other"):
            instance.run("mini", "submit", f"--setattr=system.bank={bank}", "true")

        def factors() -> list[str]:
            instance.run("config", "reload")
            return instance.run("priority", "-h", "-o", "%o %f").stdout.splitlines()

        until(lambda: len(factors()) == 2)
        found = {line.split()[0]: float(line.split()[1]) for line in factors()}
        assert found["other"] == 1.0
        assert found["default"] < 1.0, "it had been used before"


def test_a_site_plugin_is_loaded_replaced_and_ended(tmp_path: pathlib.Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    text = TABLE.replace("max-age", f'site-factor-plugin = "{plugin}"\nmax-age')
    with configured(tmp_path, text) as instance:
        fill(instance)

        def sites() -> list[str]:
            return instance.run("priority", "-h", "-o", "%S").stdout.split()

        instance.run("mini", "submit", "true")
        until_equal(sites, ["500"])
        assert instance.run("config", "reload").returncode == 0
        until(lambda: "mine.py: reconfig" in instance.run("dmesg").stdout)
        plugin.write_text(PLUGIN.replace("500", "nonsense("))
        assert instance.run("config", "reload").returncode == 0
        until(lambda: "the one loaded before goes on" in instance.run("dmesg").stdout)
        instance.run("mini", "submit", "true")
        until_equal(sites, ["500", "500"])
        plugin.write_text(PLUGIN.replace("500", "600"))
        assert instance.run("config", "reload").returncode == 0
        until_equal(sites, ["600", "600"])
        log = instance.run("dmesg").stdout
        assert re.search(r"mine.py: .*was never closed \(line ", log)
        until(lambda: "mine.py: the end" in instance.run("dmesg").stdout)


def test_a_site_plugin_that_blocks_holds_up_nobody(tmp_path: pathlib.Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN.replace("def site_factor_p_update(): pass", UPDATE))
    text = TABLE.replace("max-age", f'site-factor-plugin = "{plugin}"\nmax-age')
    text = text.replace("max-age", 'site-factor-timeout = "1s"\nmax-age')
    with configured(tmp_path, text) as instance:
        until(lambda: "took more than 1 seconds" in instance.run("dmesg").stdout)
        assert instance.run("mini", "run", "echo", "well").stdout == "well\n"
        log = instance.run("dmesg").stdout
        assert log.count("took more than 1 seconds") == 1
        assert "mine.py took more than 1 seconds in site_factor_p_update" in log


UPDATE = """
def site_factor_p_update():
    while True:
        pass
"""
