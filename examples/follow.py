#!/usr/bin/env python3
"""Submit jobs without waiting in between, then follow each through its eventlog.

flux start -s2 examples/follow.py COMMAND...
"""

from __future__ import annotations

import sys

import flux
from flux.job import JobspecV1, event_watch, submit_async

COPIES = 3


def main(command: list[str]) -> int:
    """Run the command three times; returns the largest wait status."""
    handle = flux.Flux()
    jobspec = JobspecV1.from_command(command)
    submissions = [submit_async(handle, jobspec) for _ in range(COPIES)]
    statuses: list[int] = []
    for submission in submissions:
        jobid = submission.get_id()
        names: list[str] = []
        for event in event_watch(handle, jobid):
            names.append(event.name)
            if event.name == "finish":
                statuses.append(event.context["status"])
        print(f"{jobid}: {' '.join(names)}")
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
