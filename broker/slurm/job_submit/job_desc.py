"""A job on its way in, or a change of one, as plugins see it: ``job_desc``.

`JobDesc` answers for the fields of `broker.slurm.job_submit.fields`. What is assigned is kept until
`JobDesc.apply` writes it into the jobspec, all at once, for fields depend on each other: how many
GPUs a slot gets is known when the number of slots is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.slurm.job_submit.fields import FIELDS, WRITERS
from broker.slurm.job_submit.kinds import anything
from broker.slurm.job_submit.subject import JobSubject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.slurm.job_submit.kinds import Value
    from flux.wire.json import JsonObject


class JobDesc(JobSubject):
    """``job_desc``: a job whose fields are read by name, and assigned."""

    def __init__(
        self,
        jobspec: JsonObject,
        userid: int,
        urgency: int | None = None,
        *,
        is_change: bool = False,
    ) -> None:
        super().__init__(jobspec, userid, urgency, is_change=is_change)
        self.values: dict[str, Value] = {}
        self.unknown: dict[str, Value] = {}
        self._read: dict[str, Value] = {}

    def get(self, name: str) -> Value:
        """Return what a script reads of a field, None for one that is not known."""
        field = FIELDS.get(name)
        if field is None:
            return self.unknown.get(name, self.kept(name))
        raw = self.raw(field.storage or name)
        return field.load(raw) if field.load is not None else raw

    def knows(self, name: str) -> bool:
        """Whether there is such a field, in Slurm or among what is kept."""
        return name in FIELDS or name in self.unknown or self.kept(name) is not None

    def raw(self, storage: str) -> Value:
        """Return what stands behind a field, and perhaps behind others, too."""
        if storage in self.values:
            return self.values[storage]
        if storage not in self._read:
            field = FIELDS[storage]
            found = field.read(self) if field.read is not None else self.kept(storage)
            self._read[storage] = field.unset(self) if found is None else found
        return self._read[storage]

    def set(self, name: str, value: object) -> bool:
        """Take what a script assigns to a field; returns False, with nothing done but for a note,
        for one that cannot be written.

        Fields that are not known are kept. Raises WrongType for a type the field does not take.
        """
        field = FIELDS.get(name)
        if field is None:
            self.unknown[name] = anything(value)
            return False
        if not field.writable:
            return False
        taken = field.kind.take(value)
        if field.store is not None:
            taken = field.store(taken)
        self.values[field.storage or name] = taken
        return True

    def unset_value(self, name: str) -> Value:
        """Return what to assign to a field so that it is not set."""
        field = FIELDS.get(name)
        if field is None:
            return None
        return "" if field.kind.name == "string" else field.kind.unset

    def apply(self) -> None:
        """Write what was assigned into the jobspec; raises OSError, with an error of Slurm, for
        what no job can have.
        """
        changed = self.changed()
        for names, write in WRITERS:
            if not names.isdisjoint(changed):
                write(self, changed)
        for name, value in changed.items():
            field = FIELDS[name]
            if field.write is not None:
                field.write(self, value)
            elif field.read is None:
                self.keep(name, None if value == field.unset(self) else value)
        for name, value in self.unknown.items():
            self.keep(name, value)

    @property
    def altered(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.changed() or self.unknown or self.has_new_variables)

    def changed(self) -> dict[str, Value]:
        """Return what was assigned and differs from what could be read before."""
        assigned, self.values = self.values, {}
        changed = {name: value for name, value in assigned.items() if value != self.raw(name)}
        self.values = assigned
        return changed


RECORDED: Final[Mapping[str, Value]] = {
    **dict.fromkeys(("delay_boot", "derived_ec", "direct_set_prio", "het_job_id"), 0),
    **dict.fromkeys(("het_job_offset", "pack_job_id", "pack_job_offset", "reboot"), 0),
    **dict.fromkeys(("req_switch", "site_factor", "time_min", "total_cpus", "wait4switch"), 0),
    **dict.fromkeys(("best_switch", "pn_min_cpus"), 1),
}
"""What slurmctld records of a job for fields that are not set, where it is not what ``job_desc``
has.
"""


class JobRec(JobDesc):
    """A job that the instance has: ``job_rec``, or one of ``slurm.jobs``.

    ``facts`` are what a jobspec does not say, by the names of fields.
    """

    def __init__(self, jobspec: JsonObject, userid: int, facts: Mapping[str, Value]) -> None:
        super().__init__(jobspec, userid)
        self._facts = facts

    def get(self, name: str) -> Value:
        """Return what a script reads of a field."""
        if name in self._facts:
            return self._facts[name]
        value = super().get(name)
        if name in RECORDED and (name not in FIELDS or value == FIELDS[name].unset(self)):
            return RECORDED[name]
        return value

    def knows(self, name: str) -> bool:
        """Whether there is such a field."""
        return name in self._facts or name in RECORDED or super().knows(name)

    def set(self, name: str, value: object) -> bool:
        """Refuse: a record is only read."""
        return False
