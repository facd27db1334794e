"""Which jobs ``flux jobs`` lists, as its options say it."""

from __future__ import annotations

from typing import TypedDict


class Selection(TypedDict):
    """The values of the options."""

    all_jobs: bool
    all_users: bool
    user: str | None
    count: int
    queues: str | None
    filters: str | None
    since: str | None
    name: str | None
    include: str | None
    jobids: tuple[str, ...]
