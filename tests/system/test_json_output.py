"""`--json`: what scripts read, one object, or one a line where there may be many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        running.run("kvs", "put", "a.b=one\ntwo")
        running.run("kvs", "link", "a.b", "a.l")
        running.run("mini", "run", "--setattr=system.job.name=first", "true")
        running.run("mini", "run", "false")
        running.run("logger", "-n", "app", "word")
        yield running


def lines(instance: Instance, *words: str) -> list[Any]:
    done = instance.run(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_jobs(instance: Instance) -> None:
    (whole,) = lines(instance, "jobs", "-a")
    jobs = whole["jobs"]
    assert [(job["status"], job["ntasks"]) for job in jobs] == [("FAILED", 1), ("COMPLETED", 1)]
    assert [job["jobid"] for job in jobs] == instance.run("jobs", "-ano", "{id.f58}").stdout.split()
    assert lines(instance, "jobs") == [{"jobs": []}]


def test_resources_and_queue(instance: Instance) -> None:
    (resources,) = lines(instance, "resource", "list", "-s", "all,down")
    assert list(resources) == ["all", "down"]
    assert (resources["all"]["nnodes"], resources["down"]["ncores"]) == (1, 0)
    (queue,) = lines(instance, "queue", "status")
    assert queue["submission"] == {"enable": True, "reason": ""}
    assert queue["scheduling"]["enable"] is True


def test_kvs_directories(instance: Instance) -> None:
    assert lines(instance, "kvs", "dir", "a") == [
        {"key": "a.b", "type": "value", "value": "one\ntwo"},
        {"key": "a.l", "type": "symlink", "target": "a.b"},
    ]
    assert {"key": "a", "type": "dir"} in lines(instance, "kvs", "dir")


def test_attributes_modules_and_the_log(instance: Instance) -> None:
    (attributes,) = lines(instance, "lsattr")
    assert attributes["size"] == "1"
    (modules,) = lines(instance, "module", "list")
    assert "kvs" in {module["name"] for module in modules}
    assert {"name": "app", "severity": "info", "text": "word"}.items() <= lines(instance, "dmesg")[
        -1
    ].items()
