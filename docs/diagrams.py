#!/usr/bin/env python3
"""Draw the state machines of docs/architecture.md, as mermaid, from the tables that run them.

python docs/diagrams.py [--check]      --check: exit with 1 if a drawing is stale

A drawing stands between ``<!-- diagram: NAME -->`` and ``<!-- end of diagram -->``.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from broker.runlevel import TRANSITIONS as BROKER
from broker.services.job_exec.guest_state import TRANSITIONS as GUEST_LOGS
from flux.job.lifecycle import FATAL_EXCEPTION
from flux.job.lifecycle import TRANSITIONS as JOB
from flux.job.state_names import state_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAGE = pathlib.Path(__file__).parent / "architecture.md"
_MARKED = re.compile(
    r"(?P<head><!-- diagram: (?P<name>\S+) -->\n).*?(?P<tail><!-- end of diagram -->)", re.S
)

Edge = tuple[str, str, str]
"""From a state, by an event, to a state."""


def broker_edges() -> list[Edge]:
    """The life of a broker."""
    return [(before, event, after) for (before, event), after in BROKER.items()]


def job_edges() -> list[Edge]:
    """The life of a job; events that leave a job in its state are left out."""
    rows: dict[str, Mapping[int, int]] = {**JOB, "fatal exception": FATAL_EXCEPTION}
    return [
        (state_name(before), event, state_name(after))
        for event, row in rows.items()
        for before, after in row.items()
        if before != after
    ]


def guest_log_edges() -> list[Edge]:
    """How the event logs that a job writes while it runs come into the KVS."""
    return [
        (before.value, cause.value, after.value) for (before, cause), after in GUEST_LOGS.items()
    ]


DIAGRAMS = {"broker": broker_edges, "job": job_edges, "guest-logs": guest_log_edges}


def mermaid(edges: Iterable[Edge]) -> str:
    """Return the drawing of a state machine; events between the same two states share a line."""
    events: dict[tuple[str, str], list[str]] = defaultdict(list)
    for before, event, after in edges:
        events[before, after].append(event)
    starts = {before for before, _ in events} - {after for _, after in events}
    ends = {after for _, after in events} - {before for before, _ in events}
    lines = [f"    [*] --> {state}" for state in sorted(starts)]
    for (before, after), names in events.items():
        lines.append(f"    {before} --> {after}: {', '.join(names)}")
    lines += [f"    {state} --> [*]" for state in sorted(ends)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def drawn(text: str) -> str:
    """Return the page with every drawing as it should be; raises KeyError for an unknown name."""

    def draw(match: re.Match[str]) -> str:
        return match["head"] + mermaid(DIAGRAMS[match["name"]]()) + match["tail"]

    return _MARKED.sub(draw, text)


def names(text: str) -> list[str]:
    """Return the names of the drawings of a page."""
    return [match["name"] for match in _MARKED.finditer(text)]


def main() -> int:
    """Draw, or check."""
    text = PAGE.read_text("utf-8")
    if "--check" in sys.argv[1:]:
        stale = drawn(text) != text
        if stale:
            print("docs/architecture.md has stale diagrams: run make docs")
        return int(stale)
    PAGE.write_text(drawn(text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
