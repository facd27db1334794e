"""The recordings: commands run against flux-core 0.29.0, four brokers of two cores each on a host
named `vm`.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache

HERE = pathlib.Path(__file__).parent
RECORDINGS = HERE / "data" / "recordings-0.29.0.jsonl.gz"

# The recordings come from two instances, one after the other; the second one begins with this
# label.
SECOND_INSTANCE = "dry-plain"

# The commands that this version promises, as words after `flux`; None: every sub-command of it.
PROMISED: dict[str, frozenset[str] | None] = {
    "start": None,
    "broker": None,
    "version": None,
    "help": None,
    "getattr": None,
    "setattr": None,
    "lsattr": None,
    "ping": None,
    "module": frozenset({"list", "load", "remove"}),
    "kvs": frozenset({"get", "put", "ls", "dir", "mkdir", "unlink", "getroot", "version"}),
    "event": frozenset({"pub", "sub"}),
    "exec": None,
    "dmesg": None,
    "logger": None,
    "mini": frozenset({"run", "submit", "bulksubmit"}),
    "jobs": None,
    "job": frozenset(
        {
            "attach",
            "cancel",
            "kill",
            "raise",
            "eventlog",
            "wait-event",
            "info",
            "status",
            "id",
            "wait",
            "urgency",
            "list",
        }
    ),
    "queue": frozenset({"status"}),
    "resource": frozenset({"list"}),
    "nosuchcmd": None,
    "-h": None,
}

_INVOCATION = re.compile(r"\bflux ([a-zA-Z-]+)(?: ([a-z-]+))?")


@dataclass(frozen=True)
class Recording:
    """One recorded command and what it printed."""

    label: str
    command: tuple[str, ...]
    exit: int
    stdout: str
    stderr: str
    instance: int
    """0 or 1: which of the two recorded instances it ran against."""

    @property
    def line(self) -> str:
        return " ".join(self.command)

    @property
    def promised(self) -> bool:
        """Whether every `flux` command in it belongs to this version."""
        for command, sub in _INVOCATION.findall(self.line):
            if command not in PROMISED:
                return False
            subs = PROMISED[command]
            if subs is not None and sub and sub not in subs:
                return False
        return True


@cache
def load() -> tuple[Recording, ...]:
    """All recordings in the order they were made."""
    found: list[Recording] = []
    instance = 0
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as stream:
        for line in stream:
            raw = json.loads(line)
            if raw["label"] == SECOND_INSTANCE:
                instance = 1
            found.append(
                Recording(
                    raw["label"],
                    tuple(raw["command"]),
                    raw["exit"],
                    raw["stdout"],
                    raw["stderr"],
                    instance,
                )
            )
    return tuple(found)


def expected() -> tuple[str, ...]:
    """Labels that must match (expected.toml): the ratchet of the contract."""
    return tuple(tomllib.loads((HERE / "expected.toml").read_text())["labels"])


def reasons() -> dict[str, str]:
    """Pattern of labels to the reason why they do not match yet (reasons.toml); the first pattern
    that fits counts.
    """
    table: dict[str, str] = tomllib.loads((HERE / "reasons.toml").read_text())["reasons"]
    return table


def unstable() -> frozenset[str]:
    """Labels that are never required (reasons.toml)."""
    return frozenset(tomllib.loads((HERE / "reasons.toml").read_text())["unstable"]["labels"])
