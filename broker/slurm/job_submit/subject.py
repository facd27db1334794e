"""A job, or a change of one, that fields are read from and written to."""

from __future__ import annotations

import errno
from functools import cached_property
from typing import TYPE_CHECKING, Final

from broker.slurm.job_submit.resources import size_of

if TYPE_CHECKING:
    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.resources import JobSize
    from flux.wire.json import JsonObject

KEPT: Final = "slurm"
"""The member of ``attributes.system`` with what has no meaning in Flux, by the names of fields."""
MAX_KEPT: Final = 1 << 16
"""Characters of a text that is kept there."""


class JobSubject:
    """One job: its jobspec, who submits it, and its urgency.

    ``is_change`` is for ``job_modify``: there is only what is to be changed, ``urgency`` None if
    that is not. ``queues`` are the names of those there are, None if they are not known. ``notes``
    are lines for the log: what was assigned and cannot be.
    """

    def __init__(
        self,
        jobspec: JsonObject,
        userid: int,
        urgency: int | None = None,
        *,
        is_change: bool = False,
    ) -> None:
        self.jobspec = jobspec
        self.userid = userid
        self.urgency = urgency
        self.is_change = is_change
        self.queues: frozenset[str | None] | None = None
        self.notes: list[str] = []
        self.has_new_variables = False

    @cached_property
    def size(self) -> JobSize | None:
        """What the job asks for, as it was before anything was written; None if that cannot be
        told.
        """
        return size_of(self.jobspec)

    @property
    def system(self) -> JsonObject:
        """The object ``attributes.system``, made if there is none."""
        attributes = self.jobspec.get("attributes")
        if not isinstance(attributes, dict):
            attributes = self.jobspec["attributes"] = {}
        system = attributes.get("system")
        if not isinstance(system, dict):
            system = attributes["system"] = {}
        return system

    def environment(self) -> JsonObject:
        """Return the job's environment, which may be changed; empty if it has none."""
        found = self.system.get("environment")
        return found if isinstance(found, dict) else {}

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the job's environment."""
        self.has_new_variables = True
        environment = self.system.get("environment")
        if not isinstance(environment, dict):
            environment = self.system["environment"] = {}
        environment[name] = value

    def unset_variable(self, name: str) -> None:
        """Remove a variable from the job's environment; raises KeyError if there is none."""
        del self.environment()[name]
        self.has_new_variables = True

    def kept(self, name: str) -> Value:
        """Return what is kept of a field, None if nothing is."""
        attributes = self.jobspec.get("attributes")
        system = attributes.get("system") if isinstance(attributes, dict) else None
        table = system.get(KEPT) if isinstance(system, dict) else None
        value = table.get(name) if isinstance(table, dict) else None
        return value if isinstance(value, str | int | float | bool) else None

    def keep(self, name: str, value: Value) -> None:
        """Keep a field, or forget it for None; raises OSError(E2BIG) for a text that is no
        setting.
        """
        if isinstance(value, str) and len(value) > MAX_KEPT:
            raise OSError(errno.E2BIG, f"{name} has more than {MAX_KEPT} characters")
        table = self.system.get(KEPT)
        table = dict(table) if isinstance(table, dict) else {}
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
        if table:
            self.system[KEPT] = table
        else:
            self.system.pop(KEPT, None)
