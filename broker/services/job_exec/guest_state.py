"""The states of a job's guest event logs.

A namespace is made for a job that runs for more than a moment. From then on one commit at a time
writes whatever has come; what comes meanwhile shares the next one. At the end the namespace is
linked into the primary one. The logs of a job that ends before it was asked for go to the job
manager, which stores them with the job's last events; much output is written directly.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class GuestState(Enum):
    """What is under way for the guest event logs of a job."""

    WAITING = "waiting"
    """The job is new: nothing is written, for it may end at once."""
    OPENING = "opening"
    """The namespace is being made."""
    IDLE = "idle"
    """All is written."""
    DUE = "due"
    """Something is to be written, and waits a moment for more."""
    WRITING = "writing"
    """A commit to the namespace is under way."""
    LINKING = "linking"
    """The last commit, to the primary namespace, is under way."""
    ENDED = "ended"
    """All is where it stays."""


class Cause(Enum):
    """Why the state changes: the words of the diagram in docs/architecture.md.

    Entries that wait go before the end, except for a job that ends at once: its are given away, or
    written with the link.
    """

    DELAY = "a moment passes"
    TEXT = "entries come"
    MORE = "entries wait"
    ALL = "all is written"
    END = "the job has ended"
    GIVEN = "the job has ended, all is with the job manager"
    LINKED = "linked"


TRANSITIONS: Final[Mapping[tuple[GuestState, Cause], GuestState]] = {
    (GuestState.WAITING, Cause.DELAY): GuestState.OPENING,
    (GuestState.WAITING, Cause.END): GuestState.LINKING,
    (GuestState.WAITING, Cause.GIVEN): GuestState.ENDED,
    (GuestState.OPENING, Cause.MORE): GuestState.WRITING,
    (GuestState.OPENING, Cause.ALL): GuestState.IDLE,
    (GuestState.OPENING, Cause.END): GuestState.LINKING,
    (GuestState.IDLE, Cause.TEXT): GuestState.DUE,
    (GuestState.IDLE, Cause.END): GuestState.LINKING,
    (GuestState.DUE, Cause.MORE): GuestState.WRITING,
    (GuestState.WRITING, Cause.MORE): GuestState.WRITING,
    (GuestState.WRITING, Cause.ALL): GuestState.IDLE,
    (GuestState.WRITING, Cause.END): GuestState.LINKING,
    (GuestState.LINKING, Cause.LINKED): GuestState.ENDED,
}
"""The state after each cause that can come in a state; no other can."""
