"""What is given back, and when, while a command tidies up on the nodes of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from broker.services.job_manager.housekeeping import Tidied
from flux.idset import IDset
from flux.resource.ResourceSet import ResourceSet

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job


def tidied() -> Tidied:
    resources = ResourceSet(
        {
            "version": 1,
            "execution": {
                "R_lite": [{"rank": "0-2", "children": {"core": "0"}}],
                "nodelist": ["node[0-2]"],
                "starttime": 0.0,
                "expiration": 0.0,
            },
        }
    )
    return Tidied(cast("Job", None), resources, 1.0, IDset("0-2"), IDset("0-2"))


def test_nodes_are_given_back_together() -> None:
    nodes = tidied()
    nodes.done(0)
    nodes.done(2)
    assert str(nodes.to_release()) == ""
    assert nodes.facts() == {"t_start": 1.0, "pending": "1", "allocated": "0-2"}
    nodes.done(1)
    assert str(nodes.to_release()) == "0-2"


def test_nodes_that_are_done_are_given_back_once_it_is_due() -> None:
    nodes = tidied()
    nodes.due = True
    assert str(nodes.to_release()) == ""
    nodes.done(1)
    assert str(nodes.to_release()) == "1"
    nodes.held = nodes.held.difference(nodes.to_release())
    nodes.done(0)
    assert str(nodes.to_release()) == "0"
