"""Jobs that the instance has dropped (``flux job purge``): their rows go, so that a dashboard that
is left open does not grow with the jobs that there ever were.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, compress
from typing import TYPE_CHECKING, Final

from tui.model import states
from tui.model.sets import ALONE
from tui.model.table import NUMBER_COLUMNS, TEXT_COLUMNS, JobTable, collector_off

if TYPE_CHECKING:
    from collections.abc import Collection

    from tui.model.sets import JobSets

SURE: Final = 10.0
"""Seconds since a job's end from which the job list has it if it has not been purged."""


def purged(table: JobTable, listed: Collection[int], now: float) -> set[int]:
    """Return the ids of jobs that have ended and are not ``listed`` any more."""
    ended = table.t_inactive
    return {
        jobid
        for jobid in table.row_of.keys() - listed
        if table.state[row := table.row_of[jobid]] == states.INACTIVE and ended[row] < now - SURE
    }


def without(table: JobTable, gone: Collection[int]) -> JobTable:
    """Return a table of all jobs but those ``gone``, in the same order; all its rows are new."""
    keep = bytes(jobid not in gone for jobid in table.ids)
    after = list(accumulate(keep, initial=0))  # by row, the row it has then if it is kept
    made = JobTable()
    with collector_off():
        made.ids = array("Q", compress(table.ids, keep))
        made.row_of = dict(zip(made.ids, range(len(made.ids)), strict=True))
        made.state = bytearray(compress(table.state, keep))
        made.status = bytearray(compress(table.status, keep))
        for name, kind, _ in NUMBER_COLUMNS:
            setattr(made, name, array(kind, compress(getattr(table, name), keep)))
        for name in (*TEXT_COLUMNS, "where"):
            setattr(made, name, list(compress(getattr(table, name), keep)))
        for name in ("annotations", "dependencies", "exception"):
            known = getattr(table, name).items()
            setattr(made, name, {after[row]: value for row, value in known if keep[row]})
        made.active = {after[row] for row in table.active if keep[row]}
        made.undescribed = {after[row] for row in table.undescribed if keep[row]}
        made.finished = [after[row] for row in table.finished if keep[row]]
    made.waits = table.waits
    made.counts = [made.status.count(status) for status in range(len(made.counts))]
    made.changed = set(range(len(made)))
    return made


def carry_over(old: JobSets, new: JobSets) -> None:
    """Give sets what was counted for those that have the same jobs: how many ended of late, and how
    long they ran.
    """
    ids, row_of = new.table.ids, old.table.row_of
    for made in new.by_number.values():
        number = old.number_of(row_of[ids[next(iter(made.rows))]])
        if number != ALONE:
            before = old.by_number[number]
            made.ended, made.runs_ended, made.mean = before.ended, before.runs_ended, before.mean
