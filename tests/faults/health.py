"""Does an instance still work: every broker answers, the KVS keeps, a job runs."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

from flux.job.Jobspec import JobspecV1
from flux.security import sign
from flux.wire.message import STREAMING

if TYPE_CHECKING:
    from tests.faults.line import Line
    from tests.faults.outcome import Outcome

ANSWER = 60.0
"""Seconds within which a broker that works answers, on a machine with much to do."""
JOB = 60.0


def ranks_answer(line: Line, size: int, outcome: Outcome) -> bool:
    """Note a fault for each rank that does not answer; returns whether all did."""
    tags = {line.ask("broker.ping", {"seq": rank}, nodeid=rank): rank for rank in range(size)}
    found = line.answers(tags, ANSWER)
    for tag, rank in tags.items():
        outcome.expect(tag in found, f"rank {rank} of {size} does not answer")
    return len(found) == len(tags)


def kvs_keeps(line: Line, text: str, outcome: Outcome) -> None:
    """Put a key and get it back."""
    dirent = {"ver": 1, "type": "val", "data": base64.b64encode(text.encode()).decode()}
    ops = [{"key": "health", "flags": 0, "dirent": dirent}]
    body = {"namespace": "primary", "flags": 0, "ops": ops}
    put = line.answer("kvs.commit", body, seconds=ANSWER)
    outcome.expect(put.errnum == 0, f"a put fails: {os.strerror(put.errnum)} {put.text()}")
    got = line.answer("kvs.lookup", {"namespace": "primary", "key": "health", "flags": 0})
    kept = got.errnum == 0 and got.json()["val"]["data"] == dirent["data"]
    outcome.expect(kept, f"a key is not what was put: {got.errnum} {got.text()[:200]}")


def job_runs(line: Line, outcome: Outcome, count: int = 1) -> None:
    """Run ``true`` on ``count`` nodes."""
    spec = JobspecV1.from_command(["true"], num_tasks=count, num_nodes=count)
    spec.environment = {"PATH": os.environ.get("PATH", os.defpath)}
    spec.cwd = "/tmp"
    body = {"J": sign(spec.dumps().encode()).decode(), "urgency": 16, "flags": 0}
    answer = line.answer("job-ingest.submit", body, seconds=JOB)
    if not outcome.expect(answer.errnum == 0, f"a job is refused: {answer.text()}"):
        return
    jobid = answer.json()["id"]
    watch = {"id": jobid, "path": "eventlog", "flags": 0}
    tag = line.ask("job-info.eventlog-watch", watch, flags=STREAMING)
    events: list[str] = []
    try:
        events.extend(
            json.loads(msg.json()["event"])["name"]
            for msg in line.stream(tag, JOB)
            if msg.errnum == 0
        )
    except (TimeoutError, ConnectionResetError) as exc:
        outcome.fault(f"job {jobid} does not end: {exc} after {events}")
        return
    outcome.expect("clean" in events, f"job {jobid} has the events {events}")
    outcome.count("jobs run")
