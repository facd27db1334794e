"""The formats of ``flux resource list``, ``status`` and ``drain``, and their headings."""

from __future__ import annotations

from typing import Final

from fluxctl.saved_formats import SavedFormats

LIST_FORMATS: Final = SavedFormats(
    "flux-resource",
    {
        "default": (
            "What is shown without a format",
            "{state:>10} {nnodes:>6} {ncores:>8} {ngpus:>8} {nodelist}",
        ),
        "rlist": (
            "Ranks and cores instead of hosts",
            "{state:>10} {nnodes:>6} {ncores:>8} {ngpus:>8} {rlist}",
        ),
    },
    "list",
)
LIST_HEADINGS: Final = {
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
STATUS_FORMAT: Final = "{state:>10} {nnodes:>6} {ranks:<15} {nodelist}"
STATUS_FORMAT_REASONS: Final = "{state:>10} {nnodes:>6} {ranks:<15} {reason:<30} {nodelist}"
STATUS_FORMATS: Final = SavedFormats(
    "flux-resource",
    {
        "default": ("What is shown without a format", STATUS_FORMAT),
        "long": (
            "Why ranks are drained, too",
            "{state:>10} {nnodes:>6} {ranks:<15} ?+:{reason:<30.30} {nodelist}",
        ),
    },
    "status",
)
STATUS_HEADINGS: Final = {
    "state": "STATUS",
    "nnodes": "NNODES",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "reason": "REASON",
    "queue": "QUEUE",
    "up": "UP",
    "up.ascii": "UP",
}
DRAIN_FORMAT: Final = "{timestamp!D:<20} {ranks:<8} {reason:<30} {nodelist}"
DRAIN_FORMATS: Final = SavedFormats(
    "flux-resource",
    {
        "default": ("What is shown without a format", DRAIN_FORMAT),
        "long": (
            "Times for people, and reasons at full length",
            "{timestamp!d:%b%d %R::<12} {ranks:<8.8+} +:{reason:<30.30} {nnodes:>6} {nodelist}",
        ),
    },
    "drain",
)
DRAIN_HEADINGS: Final = {
    "timestamp": "TIMESTAMP",
    "ranks": "RANK",
    "reason": "REASON",
    "nodelist": "NODELIST",
    "nnodes": "NNODES",
}
