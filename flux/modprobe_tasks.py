"""Tasks of ``flux modprobe``: what they ask for, when they are enabled, who provides what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flux.modprobe_context import Context

ALL: Final = "*"
"""Stands for all other tasks in ``before`` and ``after``."""
LISTS: Final = ("provides", "requires", "needs", "before", "after")
NEEDS: Final = ("needs_attrs", "needs_config", "needs_env")


class RankIDset:
    """Ranks as a set of ids, or ``all``; raises ValueError for what is neither."""

    def __init__(self, arg: str) -> None:
        self._text = arg
        try:
            self._ranks = None if arg == "all" else IDset(arg)
        except ValueError:
            raise ValueError(f"ranks: invalid idset: {arg}") from None

    def __str__(self) -> str:
        return self._text

    def test(self, rank: int) -> bool:
        """Whether a rank is one of them."""
        return self._ranks is None or rank in self._ranks


class RankConditional:
    """Ranks below or above one, ``<N`` or ``>N``; raises ValueError for anything else."""

    def __init__(self, arg: str) -> None:
        if arg[:1] not in ("<", ">"):
            raise ValueError(f"ranks: {arg!r} begins with neither < nor >")
        self._above = arg[0] == ">"
        self._rank = int(arg[1:])

    def __str__(self) -> str:
        return f"{'>' if self._above else '<'}{self._rank}"

    def test(self, rank: int) -> bool:
        """Whether a rank is one of them."""
        return rank > self._rank if self._above else rank < self._rank


def rank_conditional(arg: str) -> RankIDset | RankConditional:
    """Return the ranks that a text means: ``all``, ids, ``<N`` or ``>N``; raises ValueError."""
    return RankConditional(arg) if arg[:1] in ("<", ">") else RankIDset(arg)


class Task:
    """Something to do once: its ``name``, and when.

    ``ranks`` are those it is for, by default all. It comes ``before`` and ``after`` others, which
    are named by themselves or by what they provide (``provides``), or are all (``*``). With it
    those run that it ``requires``. It needs those that it ``needs`` to be enabled, and broker
    attributes (``needs_attrs``), configuration keys (``needs_config``) and variables of the
    environment (``needs_env``) to be set. With ``disabled`` it only runs if somebody enables it.
    Of several that provide the same, the one with the highest ``priority`` counts.

    Raises ValueError for an argument that there is not, or that makes no sense.
    """

    VALID_ARGS: Final[Mapping[str, object]] = {
        "ranks": "all",
        **dict.fromkeys((*LISTS, *NEEDS), ()),
        "disabled": False,
        "priority": 100,
    }

    def __init__(self, name: str, *args: object, **kwargs: object) -> None:
        for key in kwargs:
            if key not in self.VALID_ARGS:
                raise ValueError(f"{name}: unknown task argument {key}")
        self.name = name
        self.ranks = rank_conditional(str(kwargs.get("ranks", "all")))
        self.disabled = bool(kwargs.get("disabled", False))
        self.priority = int(str(kwargs.get("priority", 100)))
        self.force_enabled = False
        self.starttime: float | None = None
        self.endtime: float | None = None
        found = {key: _words(name, key, kwargs.get(key, ())) for key in (*LISTS, *NEEDS)}
        self.provides, self.requires, self.needs = (found[key] for key in LISTS[:3])
        self.before, self.after = found["before"], found["after"]
        self.needs_attrs, self.needs_config, self.needs_env = (found[key] for key in NEEDS)

    def enabled(self, context: Context | None = None) -> bool:
        """Whether the task runs here, but for the tasks that it needs; without a context, whether
        it is to run at all. Raises OSError if the broker cannot tell.
        """
        if self.force_enabled:
            return True
        if context is None:
            return not self.disabled
        return (
            not self.disabled
            and self.ranks.test(context.rank)
            and all(_is_set(context.attr_get, spec) for spec in self.needs_attrs)
            and all(_is_set(context.conf_get, spec) for spec in self.needs_config)
            and all(_is_set(context.getenv, spec) for spec in self.needs_env)
        )

    def run(self, context: Context) -> None:
        """Do it; raises whatever goes wrong."""
        raise NotImplementedError(f"{self.name} does nothing")

    def runtask(self, context: Context) -> None:
        """Do it, and note when."""
        context.print(f"start {self.name}")
        self.starttime = time.time()
        try:
            self.run(context)
        finally:
            self.endtime = time.time()
        context.print(f"completed {self.name}")

    def dry_run(self, context: Context) -> None:
        """Tell that it would be done."""
        print(f"run {self.name}")


def _words(task: str, key: str, value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"{task}: {key} is a list of names")  # a text would be its letters
    return [str(one) for one in value]


def _is_set(getter: Callable[[str], object], spec: str) -> bool:
    """Whether there is a value; with an exclamation mark before the name, whether there is none."""
    value = getter(spec.removeprefix("!"))
    return (value is not None and value is not False) is not spec.startswith("!")


class CodeTask(Task):
    """A task that is a function of the context."""

    def __init__(
        self, name: str, func: Callable[[Context], object], *args: object, **kwargs: object
    ) -> None:
        super().__init__(name, **kwargs)
        self.func = func

    def run(self, context: Context) -> None:
        """Call the function."""
        self.func(context)


def task(name: str, **kwargs: object) -> Callable[[Callable[[Context], object]], CodeTask]:
    """Make a task of a function; arguments and errors are those of `Task`."""
    return lambda func: CodeTask(name, func, **kwargs)


class TaskDB:
    """Tasks by their names and by what they provide."""

    def __init__(self) -> None:
        self._tasks: dict[str, list[Task]] = {}
        self._preferred: dict[str, str] = {}

    def __iter__(self) -> Iterator[Task]:
        """Go through the tasks, each once."""
        yield from {one.name: one for found in self._tasks.values() for one in found}.values()

    def __contains__(self, service: object) -> bool:
        """Whether there is a task of a name, or one that provides it."""
        return bool(self._tasks.get(str(service)))

    def add(self, task: Task) -> None:
        """Add a task; one of the same name is replaced."""
        for found in self._tasks.values():
            found[:] = [one for one in found if one.name != task.name]
        for service in (task.name, *task.provides):
            others = [one for one in self._tasks.get(service, []) if one.name != task.name]
            self._tasks[service] = [*others, task]

    def get_all(self, service: str) -> list[Task]:
        """Return the tasks of a name or service, the one that counts most last."""
        found = sorted(self._tasks.get(service, []), key=lambda one: one.priority)
        preferred = self._preferred.get(service)
        return sorted(found, key=lambda one: one.name == preferred)

    def get(self, service: str) -> Task:
        """Return the task that counts, one that is disabled only if all are; raises ValueError if
        there is none.
        """
        found = self.get_all(service)
        if not found:
            raise ValueError(f"no such task or module {service}")
        return next((one for one in reversed(found) if one.enabled()), found[-1])

    def chosen(self) -> dict[str, str]:
        """Return the alternatives that were set: the name of a task by that of a service."""
        return dict(self._preferred)

    def has_enabled_provider(self, tasks: Iterable[str], service: str) -> bool:
        """Whether one of some tasks provides a service and is not disabled."""
        names = set(tasks)
        return any(one.name in names and one.enabled() for one in self.get_all(service))

    def set_alternative(self, service: str, name: str) -> None:
        """Have the task of a name count for a service; raises ValueError if it does not provide
        it.
        """
        if name not in [one.name for one in self._tasks.get(service, [])]:
            raise ValueError(f"no module {name} provides {service}")
        self._preferred[service] = name

    def disable(self, service: str) -> None:
        """Have no task of a name or service run; raises ValueError if there is none."""
        self.get(service)
        for one in self.get_all(service):
            one.disabled, one.force_enabled = True, False

    def enable(self, service: str) -> None:
        """Have the task that counts run whatever it needs; raises ValueError if there is none."""
        self.get(service).force_enabled = True
