"""What plugins in Python are given: jobs and partitions with their fields as attributes, and a
module ``slurm`` with the names that Lua scripts have in their table.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import TYPE_CHECKING

from broker.slurm.job_submit.minutes import minutes_of
from broker.slurm.job_submit.names import slurm_constants
from broker.slurm.job_submit.reading import command

if TYPE_CHECKING:
    from broker.slurm.job_submit.job_desc import JobDesc
    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.partitions import Partition
    from broker.slurm.job_submit.surroundings import Surroundings
    from broker.slurm.job_submit.talk import Talk


class EnvironmentView(MutableMapping[str, str]):
    """A job's environment."""

    def __init__(self, draft: JobDesc) -> None:
        self._draft = draft

    def __getitem__(self, name: str) -> str:
        return str(self._draft.environment()[name])

    def __setitem__(self, name: str, value: str) -> None:
        self._draft.set_variable(name, str(value))

    def __delitem__(self, name: str) -> None:
        self._draft.unset_variable(name)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._draft.environment()))

    def __len__(self) -> int:
        return len(self._draft.environment())


class JobObject:
    """``job_desc`` or ``job_ptr``: fields are attributes. One that nobody knows reads as None and
    is kept when it is assigned; a wrong type raises TypeError, a field that cannot be assigned
    AttributeError.
    """

    __slots__ = ("_draft",)

    def __init__(self, draft: JobDesc) -> None:
        object.__setattr__(self, "_draft", draft)

    def __getattr__(self, name: str) -> Value | EnvironmentView | list[str]:
        if name.startswith("__"):
            raise AttributeError(name)
        draft: JobDesc = object.__getattribute__(self, "_draft")
        if name == "environment":
            return EnvironmentView(draft)
        return command(draft) if name == "argv" else draft.get(name)

    def __setattr__(self, name: str, value: object) -> None:
        draft: JobDesc = object.__getattribute__(self, "_draft")
        known = draft.knows(name)
        if value is None and known:
            value = draft.unset_value(name)
        if not draft.set(name, value) and known:
            raise AttributeError(f"{name} cannot be assigned")


class PartitionView:
    """A partition: fields are attributes, those that nobody knows None."""

    __slots__ = ("_part",)

    def __init__(self, part: Partition) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Value:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._part.get(name)


def partition_views(surroundings: Surroundings) -> dict[str, PartitionView]:
    """Return the partitions that the user may use, by name."""
    return {part.name: PartitionView(part) for part in surroundings.partitions()}


def slurm_module(talk: Talk, surroundings: Surroundings) -> ModuleType:
    """Return the module ``slurm``: numbers, ``log_info`` and others with the arguments of a format,
    ``log_user``, ``time_str2mins``, and ``jobs()``.
    """
    module = ModuleType("slurm", "What Slurm offers to job-submit plugins.")
    vars(module).update(slurm_constants())

    def logger(level: int) -> object:
        def log(text: object, *args: object) -> None:
            talk.say(level, str(text) % args if args else str(text))

        return log

    def tell(text: object, *args: object) -> None:
        talk.tell(str(text) % args if args else str(text))

    levels = {"error": -1, "info": 0, "verbose": 1, "debug": 2, "debug2": 3, "debug3": 4}
    vars(module).update({f"log_{name}": logger(level) for name, level in levels.items()})
    vars(module).update(log_user=tell, user_msg=tell, time_str2mins=minutes_of)
    vars(module)["jobs"] = lambda: {
        str(job.get("job_id")): JobObject(job) for job in surroundings.jobs()
    }
    return module
