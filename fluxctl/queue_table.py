"""The columns of ``flux queue list`` and ``flux queue status``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.output_values import SignCodes
    from flux.queue import QueueInfo
    from flux.wire.json import JsonMapping
    from fluxctl.color import Role

_SWITCHES: Final = (
    "?:{queuem:<8.8} {color_enabled}{enabled:>2}{color_off} {color_started}{started:>2}{color_off}"
)
LIST_FORMAT: Final = (
    f"{_SWITCHES} {{defaults.timelimit!F:>8}} {{limits.timelimit!F:>8}} "
    "{limits.range.effective.nnodes:>10} {limits.range.effective.ncores:>10} "
    "{limits.range.effective.ngpus:>10}"
)
NAMED_FORMATS: Final = {
    "default": ("What is shown without a format", LIST_FORMAT),
    "policy": (
        "Limits of jobs as the configuration has them",
        f"{_SWITCHES} {{defaults.timelimit!F:>8}} {{limits.timelimit!F:>8}} "
        "{limits.range.nnodes:>10} {limits.range.ncores:>10} {limits.range.ngpus:>10}",
    ),
    "nodes": (
        "How many nodes there are, and in which state",
        f"{_SWITCHES} {{resources.all.nnodes:>6}} {{resources.up.nnodes:>10}} "
        "{resources.down.nnodes:>10} {resources.allocated.nnodes:>11} "
        "{resources.free.nnodes:>10}",
    ),
}
"""The formats of ``flux queue list`` by name, each with what it is for."""


_STATES: Final = {"all": "", "up": ":UP", "down": ":DOWN", "allocated": ":ALLOC", "free": ":FREE"}
"""The states of resources, and how the headings of their columns end."""


def _headings() -> dict[str, str]:
    """Return the fields of ``flux queue list`` and the headings of their columns."""
    headings = {
        "queue": "QUEUE",
        "queuem": "QUEUE",
        "submission": "SUBMIT",
        "scheduling": "SCHED",
        "enabled": "EN",
        "started": "ST",
        "enabled.ascii": "EN",
        "started.ascii": "ST",
        "color_enabled": "",
        "color_started": "",
        "color_off": "",
        "disable_reason": "REASON",
        "stop_reason": "REASON",
        "defaults.timelimit": "TDEFAULT",
        "limits.timelimit": "TLIMIT",
    }
    for kind in ("nnodes", "ncores", "ngpus"):
        heading = kind.upper()
        headings |= {
            f"limits.range.{kind}": heading,
            f"limits.range.effective.{kind}": heading,
            f"limits.min.{kind}": f"MIN{heading[1:]}",
            f"limits.max.{kind}": f"MAX{heading[1:]}",
        }
        for state, name in _STATES.items():
            headings[f"resources.{state}.{kind}"] = f"{heading[1:]}{name}"
    return headings


HEADINGS: Final = _headings()

STATE_FORMAT: Final = "{queue:<12} {submission:<8} {scheduling:<8} {disable_reason} {stop_reason}"
STATE_HEADINGS: Final = {
    "queue": "QUEUE",
    "submission": "SUBMIT",
    "scheduling": "SCHED",
    "disable_reason": "REASON",
    "stop_reason": "REASON",
}


def queue_row(name: str | None, status: JsonMapping) -> dict[str, object]:
    """Return the columns of a queue; None is the one without a name."""
    return {
        "queue": "-" if name is None else name,
        "submission": "enabled" if status["enable"] else "disabled",
        "scheduling": "started" if status["start"] else "stopped",
        "disable_reason": status.get("disable_reason", ""),
        "stop_reason": status.get("stop_reason", ""),
    }


def queue_role(row: Mapping[str, object]) -> Role:
    """Return the color of a queue: one that takes or starts no jobs stands out."""
    return "" if (row["submission"], row["scheduling"]) == ("enabled", "started") else "warn"


class QueueRow:
    """A queue as `HEADINGS` has its fields, with the colors of its signs."""

    def __init__(self, queue: QueueInfo, codes: SignCodes) -> None:
        self._queue = queue
        self.color_enabled = codes.good if queue.submission == "enabled" else codes.bad
        self.color_started = codes.good if queue.scheduling == "started" else codes.bad
        self.color_off = codes.off

    def __getattr__(self, name: str) -> object:
        return getattr(self._queue, name)


_SIGNS: Final = ("queuem", "enabled", "started", "color_enabled", "color_started", "color_off")


def queue_facts(queue: QueueInfo) -> dict[str, object]:
    """Return the fields of a queue as JSON has them: those of an object in an object of its own,
    null for no limit.
    """
    from operator import attrgetter

    facts: dict[str, object] = {}
    for field in HEADINGS:
        *path, name = field.split(".")
        if field in _SIGNS or name == "ascii":
            continue  # signs for a person, of what other fields say in words
        place = facts
        for step in path:
            inner = place.setdefault(step, {})
            assert isinstance(inner, dict)
            place = inner
        value = attrgetter(field)(queue)
        if isinstance(value, float) and math.isinf(value):
            place[name] = None
        else:
            place[name] = value if isinstance(value, int | float) else str(value)
    return facts
