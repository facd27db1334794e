"""The formats of ``flux resource list``, ``status`` and ``drain``, and their headings: those of
0.29, and today's, which count as soon as anything that was typed is not in 0.29.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fluxctl.saved_formats import DEFAULT, TODAY, SavedFormats

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNLESS_ASKED: Final = "What is shown without a format"
_TODAYS: Final = "What today's flux-core shows without a format"


@dataclass(frozen=True, slots=True)
class ResourceFormats:
    """The formats of a sub-command by name, and the headings of its fields in 0.29 and ``today``;
    fields that are ``new`` say that a format is today's.
    """

    saved: SavedFormats
    headings: Mapping[str, str]
    today: Mapping[str, str]
    new: frozenset[str]

    def are_todays(self, typed: str | None, *, asked: bool) -> bool:
        """Tell whether today's lines are wanted: other options ``asked`` for them, or the format
        that was ``typed`` has a name, or names a new field.
        """
        if asked or self.saved.named(typed):
            return True
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(typed or "")}
        except ValueError:
            return False
        return not self.new.isdisjoint(fields)

    def read(self, typed: str | None, default: str | None = None, *, todays: bool) -> str:
        """Return the format of what was ``typed``, or else the default one; see `SavedFormats`."""
        if default is None and todays:
            default = self.saved.builtin[TODAY][1]
        return self.saved.read(typed, default, "ERROR: ")


_LIST: Final = "{state:>10} ?+:{queue:<5} ?:{propertiesx:<10.10+} {nnodes:>6} +:{ncores:>6}"
_LIST_HEADINGS: Final = {
    "state": "STATE",
    "nnodes": "NNODES",
    "ncores": "NCORES",
    "ngpus": "NGPUS",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "rlist": "LIST",
    "queue": "QUEUE",
    "properties": "PROPERTIES",
    "propertiesx": "PROPERTIES",
}
LIST: Final = ResourceFormats(
    SavedFormats(
        "flux-resource",
        {
            DEFAULT: (_UNLESS_ASKED, "{state:>10} {nnodes:>6} {ncores:>8} {ngpus:>8} {nodelist}"),
            TODAY: (_TODAYS, f"{_LIST} ?+:{{ngpus:>5}} {{nodelist}}"),
            "rlist": ("Ranks and cores instead of hosts", f"{_LIST} ?+:{{ngpus:>5}} {{rlist}}"),
        },
        "list",
    ),
    _LIST_HEADINGS,
    _LIST_HEADINGS,
    frozenset(("queue", "properties", "propertiesx")),
)
LIST_WITH_RANKS: Final = "{state:>10} {nnodes:>6} {ncores:>8} {ngpus:>8} {rlist}"
"""What ``flux resource list -v`` shows in 0.29."""

_SIGN: Final = "{color_up}{up:>2}{color_off}"
_STATUS_HEADINGS: Final = {
    "state": "STATUS",
    "nnodes": "NNODES",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "reason": "REASON",
    "queue": "QUEUE",
}
_RANK_HEADINGS: Final = _STATUS_HEADINGS | {
    "state": "STATE",
    "status": "STATUS",
    "timestamp": "TIME",
    "up": "UP",
    "up.ascii": "UP",
    "color_up": "",
    "color_off": "",
}
STATUS: Final = ResourceFormats(
    SavedFormats(
        "flux-resource",
        {
            DEFAULT: (_UNLESS_ASKED, "{state:>10} {nnodes:>6} {ranks:<15} {nodelist}"),
            TODAY: (_TODAYS, f"{{state:>12}} {_SIGN} {{nnodes:>6}} {{nodelist}}"),
            "long": (
                "Why ranks are drained, too",
                f"{{state:>12}} {_SIGN} {{nnodes:>6}} +:{{reason:<30.30}} {{nodelist}}",
            ),
        },
        "status",
    ),
    _STATUS_HEADINGS,
    _RANK_HEADINGS,
    frozenset(("timestamp", "up", "up.ascii", "color_up", "color_off")),
)
STATUS_WITH_REASONS: Final = "{state:>10} {nnodes:>6} {ranks:<15} {reason:<30} {nodelist}"
"""What ``flux resource status -vv`` shows in 0.29."""

_SINCE: Final = "{timestamp!d:%b%d %R::<12} {state:<8.8}"
DRAIN: Final = ResourceFormats(
    SavedFormats(
        "flux-resource",
        {
            DEFAULT: (_UNLESS_ASKED, "{timestamp!D:<20} {ranks:<8} {reason:<30} {nodelist}"),
            TODAY: (_TODAYS, f"{_SINCE} {{reason:<30.30+}} {{nodelist}}"),
            "long": (
                "The ranks, too, and reasons at full length",
                f"{_SINCE} {{ranks:<8.8+}} +:{{reason:<30.30}} {{nodelist}}",
            ),
        },
        "drain",
    ),
    {
        "timestamp": "TIMESTAMP",
        "ranks": "RANK",
        "reason": "REASON",
        "nodelist": "NODELIST",
        "nnodes": "NNODES",
    },
    _RANK_HEADINGS,
    frozenset(("state", "status", "up", "up.ascii", "color_up", "color_off", "queue")),
)
