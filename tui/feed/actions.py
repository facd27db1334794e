"""What can be done to jobs beside cancelling and signalling them, as requests to the instance."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.constants import FLUX_JOB_URGENCY_DEFAULT
from flux.security import sign
from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping
    from tui.feed.base import Feed


async def set_urgency(feed: Feed, jobid: int, urgency: int) -> None:
    """Give a waiting job another urgency, 0 (hold) to 31 (expedite)."""
    await feed.ask("job-manager.urgency", {"id": jobid, "urgency": urgency})


async def raise_exception(feed: Feed, jobid: int, kind: str, severity: int, note: str) -> None:
    """Raise an exception; one of ``severity`` 0 ends the job."""
    payload: dict[str, object] = {"id": jobid, "type": kind, "severity": severity}
    if note:
        payload["note"] = note
    await feed.ask("job-manager.raise", payload)


async def annotate(feed: Feed, jobid: int, changes: JsonMapping) -> None:
    """Change annotations of the user; None takes one away."""
    await feed.ask("job-manager.annotate", {"id": jobid, "annotations": {"user": dict(changes)}})


async def set_time_limit(feed: Feed, jobid: int, seconds: float) -> None:
    """Give a job another time limit, counted from its start; 0 is none."""
    await feed.ask(
        "job-manager.update", {"id": jobid, "updates": {"attributes.system.duration": seconds}}
    )


async def run_again(feed: Feed, jobid: int) -> int:
    """Submit what a job was submitted as once more and return the new job's id.

    Jobs that it depended on are left out: they may be long over.
    """
    jobspec = (await feed.lookup(jobid)).get("jobspec")
    if not isinstance(jobspec, dict):
        raise OSError(errno.ENOENT, "its jobspec is not stored")
    system = (jobspec.get("attributes") or {}).get("system")
    if isinstance(system, dict):
        system.pop("dependencies", None)
    signed = sign(json.dumps(jobspec)).decode()
    request = {"J": signed, "urgency": FLUX_JOB_URGENCY_DEFAULT, "flags": 0}
    return int((await feed.ask("job-ingest.submit", request))["id"])


async def instance_uri(feed: Feed, jobid: int) -> str:
    """Return the URI of the instance that a job is.

    Raises OSError (ENOENT) if the job is none, or is not ready yet.
    """
    request = {"id": jobid, "attrs": ["annotations"]}
    job = (await feed.ask("job-list.list-id", request)).get("job") or {}
    uri = ((job.get("annotations") or {}).get("user") or {}).get("uri")
    if not uri:
        raise OSError(errno.ENOENT, "the job is not a Flux instance, or it is not ready yet")
    return str(uri)
