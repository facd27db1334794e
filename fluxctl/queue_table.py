"""The columns of ``flux queue list``."""

from __future__ import annotations

from typing import Final

LIST_FORMAT: Final = (
    "{queuem:<8.8} {enabled:>2} {started:>2} {defaults.timelimit!F:>8} {limits.timelimit!F:>8} "
    "{limits.range.effective.nnodes:>10} {limits.range.effective.ncores:>10} "
    "{limits.range.effective.ngpus:>10}"
)


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
        for state in ("all", "up", "down", "allocated", "free"):
            headings[f"resources.{state}.{kind}"] = f"{state.upper()}:{heading}"
    return headings


HEADINGS: Final = _headings()
