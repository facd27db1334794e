"""``flux.resource``, ``flux.queue`` and jobspecs answer programs as flux-core 0.88's bindings do.
What is expected here was seen there, with the same calls.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux.idset import IDset
from flux.job import Jobspec, JobspecV1
from flux.queue import QueueList
from flux.resource import ResourceSet, Rv1Set
from flux.resource.status import ResourceStatus, ResourceStatusRPC, resource_status
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.handle import Flux


@pytest.fixture(scope="module")
def handle() -> Iterator[Flux]:
    with running_instance(2) as instance, flux.Flux(instance.uri) as opened:
        yield opened


def test_the_state_of_ranks(handle: Flux) -> None:
    handle.rpc("resource.drain", {"targets": "1", "reason": "why"}).get()
    query = resource_status(handle)
    assert isinstance(query, ResourceStatusRPC)
    status = query.get()
    assert len(status.nodelist) == 2
    (drain,) = status.drain_info
    assert (str(drain.ranks), drain.reason) == ("1", "why")
    assert status.get_drain_info(1) == drain
    assert status.rstatus["online"] == "0-1"
    assert (status.allocated_ranks, status.housekeeping_ranks) == (IDset(), IDset())
    handle.rpc("resource.undrain", {"targets": "1"}).get()
    nothing = ResourceStatus()
    assert (nothing.all, nothing.drained, nothing.drain_info) == (IDset(), IDset(), [])


def test_the_queue_without_a_name(handle: Flux) -> None:
    (queue,) = QueueList(handle)
    assert (queue.name, queue.is_default, queue.enabled, queue.started) == ("", True, True, True)
    assert repr(queue.defaults) == "QueueDefaults(duration=inf)"
    assert queue.defaults.timelimit == math.inf
    assert repr(queue.limits) == (
        "QueueLimits(min=QueueResourceCounts(nnodes=0, ncores=0, ngpus=0), "
        "max=QueueResourceCounts(nnodes=inf, ncores=inf, ngpus=inf), duration=inf)"
    )
    (again,) = QueueList(handle)
    assert (again.defaults, again.limits) == (queue.defaults, queue.limits)
    assert queue.limits.min != queue.limits.max


def test_what_the_scheduler_keeps_in_a_set() -> None:
    made = Rv1Set(None, keep_scheduling=True)
    made.scheduling = {"graph": 1}
    assert made.scheduling == {"graph": 1}
    made.scheduling = None
    assert made.scheduling is None
    assert ResourceSet(None, 1, log=None).nnodes == 0


def test_jobspecs_are_made_of_their_sections() -> None:
    plain = JobspecV1.from_command(["true"])
    attributes = {"system": {"duration": 0}}
    parts = plain.resources, plain.tasks
    for made in (
        JobspecV1(*parts, attributes),
        JobspecV1(*parts, attributes, 1),
        Jobspec(*parts, attributes, 1),
    ):
        assert made.jobspec == plain.jobspec
        assert [resource["type"] for resource in made] == ["slot", "core"]
    assert repr(plain) == (
        "JobspecV1([{'type': 'slot', 'count': 1, 'with': [{'type': 'core', 'count': 1}], "
        "'label': 'task'}], [{'command': ['true'], 'slot': 'task', 'count': {'per_slot': 1}}], "
        "attributes={'system': {'duration': 0}}, version=1)"
    )
    with pytest.raises(ValueError, match="version must be 1"):
        JobspecV1(*parts, attributes, 2)
    wrong: Any = "x"
    with pytest.raises(TypeError, match="version must be an integer"):
        Jobspec(*parts, attributes, wrong)


def test_values_of_jobspecs() -> None:
    made = JobspecV1.from_command(["true"], duration=5)
    assert repr(made.duration) == "5.0"
    with pytest.raises(TypeError, match="command must be a list of strings"):
        JobspecV1.from_command("true")
    with pytest.raises(ValueError, match="exclusive can only be set with a node count"):
        JobspecV1.per_resource(["true"], ncores=2, exclusive=True)
    found = JobspecV1.from_submit(["true"], dependency="afterok:1", requires="a|b")
    assert found.attributes is not None
    system = found.attributes["system"]
    assert system["dependencies"] == [{"scheme": "afterok", "value": "1"}]
    assert system["constraints"] == {"or": [{"properties": ["a"]}, {"properties": ["b"]}]}
