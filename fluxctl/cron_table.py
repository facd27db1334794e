"""The columns of ``flux cron list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxctl.cron_entry import CronEntry, ago, status
from fluxctl.list_output import ListTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxctl.color import Role

ENTRIES = ListTable(
    {
        "id": "ID",
        "name": "CMD/NAME",
        "state": "STATE",
        "runs": "#RUNS",
        "lastrun": "LASTRUN",
        "status": "STATUS",
        "command": "COMMAND",
        "type": "TYPE",
        "repeat": "REPEAT",
        "count": "COUNT",
        "rank": "RANK",
        "next": "NEXT",
        "last": "LAST",
    },
    "{id:>6} {name:<15.15} {state:<8} {runs:>9} {lastrun:>18}  {status:<18}",
)


def entry_row(entry: CronEntry, now: float) -> dict[str, object]:
    """Return the columns of an entry."""
    stats, repeat = entry["stats"], entry["repeat"]
    return {
        **entry,
        "state": "Stopped" if entry["stopped"] else "Active",
        "runs": f"{stats['count']}/{repeat}" if repeat else str(stats["count"]),
        "lastrun": ago(now - stats["lastrun"]) if stats["lastrun"] else "None",
        "last": stats["lastrun"],
        "count": stats["count"],
        "status": status(entry["tasks"]),
        "next": entry["typedata"].get("next_wakeup", ""),
    }


def entry_role(row: Mapping[str, object]) -> Role:
    """Return the color of a row: what failed stands out, what is stopped stands back."""
    if row["state"] == "Stopped":
        return "faint"
    return "bad" if str(row["status"]).startswith(("Exit ", "Exec-Error", "Timeout")) else ""
