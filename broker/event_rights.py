"""Which events a guest may publish: none that a part of the system publishes or follows.

Services act on the owner's events only, but the owner's programs subscribe too, and few of them
look at who published. So a guest's event never bears a topic of the system. Its first word, up to a
dot or a dash, decides.
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    (
        *(
            "attr",
            "barrier",
            "broker",
            "cmb",
            "connector",
            "content",
            "cron",
            "disconnect",
            "event",
            "exec",
            "feasibility",
            "flux",
            "groups",
            "hb",
            "heaptrace",
        ),
        *(
            "heartbeat",
            "hello",
            "job",
            "kvs",
            "live",
            "local",
            "log",
            "module",
            "overlay",
            "resource",
            "rexec",
            "sched",
        ),
        *("runat", "schedutil", "service", "shell", "shutdown", "state", "wreck"),
    )
)
"""First words of the topics of services, modules and jobs, ours and flux-core's."""

MAX_TOPIC = 4096
"""Characters in the topic of a message or of a subscription."""

_FIRST = re.compile(r"[^.\-_/]*")
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def is_topic(text: str) -> bool:
    """Tell whether ``text`` can be an event's topic: not empty, not too long, and fit for the wire
    and a log line.
    """
    return 0 < len(text) <= MAX_TOPIC and _UNFIT.search(text) is None


def may_publish(topic: str) -> bool:
    """Tell whether a guest may publish an event of that topic."""
    match = _FIRST.match(topic)
    return bool(topic) and match is not None and match[0].lower() not in RESERVED and match[0] != ""
