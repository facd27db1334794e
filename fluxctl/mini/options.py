"""The options of ``flux mini`` as typed data (flux-mini(1)).

They stay text, as typed or as a bulk template made them, until a jobspec is built, so that a
template may stand in any of them. One class serves all sub-commands: what a sub-command does not
have keeps its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Never, Protocol, cast

from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flux.job.Jobspec import Jobspec


def failure(text: object) -> CommandError:
    """Return the failure of a command with flux-mini's prefix."""
    return CommandError(f"ERROR: {text}")


class JobspecPlugins(Protocol):
    """What plugins of the command do with the jobspecs that it makes; what they raise ends it."""

    def modify(self, jobspec: Jobspec) -> None:
        """Change a jobspec."""

    def validate(self, jobspec: Jobspec) -> None:
        """Look at a jobspec that is about to be submitted."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MiniOptions:
    """What was asked for; None and empty mean not given.

    ``todays`` says how to read it: as today's flux-core does, whose time limits are minutes, whose
    attributes are those of the system, and whose jobs get a task on each of their nodes.
    """

    todays: bool = False

    # How much, for run, submit and bulksubmit
    ntasks: str | None = None
    cores_per_task: str | None = None
    gpus_per_task: str | None = None
    cores: str | None = None
    tasks_per_node: str | None = None
    tasks_per_core: str | None = None
    gpus_per_node: str | None = None

    # How much, for batch and alloc
    nslots: str | None = None
    cores_per_slot: str | None = None
    gpus_per_slot: str | None = None
    broker_opts: Sequence[str] = ()
    wrap: bool = False
    conf: Sequence[str] = ()
    dump: str | None = None
    bg: bool = False

    # How much, as a whole
    resources_shape: str | None = None
    resources_json: str | None = None

    # The job
    nodes: str | None = None
    exclusive: bool = False
    job_name: str | None = None
    queue: str | None = None
    bank: str | None = None
    cwd: str | None = None
    requires: Sequence[str] = ()
    time_limit: str | None = None
    urgency: str | None = None
    setopt: Sequence[str] = ()
    setattr: Sequence[str] = ()
    dependency: Sequence[str] = ()
    begin_time: str | None = None
    add_file: Sequence[str] = ()
    env: Sequence[str] = ()
    input: str | None = None
    output: str | None = None
    error: str | None = None
    label_io: bool = False
    unbuffered: bool = False
    taskmap: str | None = None
    signal: str | None = None
    rlimit: Sequence[str] = ()
    flags: Sequence[str] = ()
    debug: bool = False

    # What this command does
    dry_run: bool = False
    verbose: int = 0
    debug_emulate: bool = False
    quiet: bool = False
    cc: str | None = None
    bcc: str | None = None
    wait: bool = False
    wait_event: str | None = None
    watch: bool = False
    progress: bool = False
    jps: bool = False
    log: str | None = None
    log_stderr: str | None = None

    # Bulk inputs
    define: Sequence[str] = ()
    shuffle: bool = False
    sep: str | None = None

    plugins: JobspecPlugins | None = None

    def templated(self) -> list[str]:
        """Return the names of the options with text in which something may be replaced: not a
        shape, which has braces of its own.
        """
        return [
            name
            for name, value in vars(self).items()
            if value and name != "resources_shape" and _has_brace(value)
        ]

    def mapped(self, names: Sequence[str], change: Callable[[str, str], str]) -> MiniOptions:
        """Return a copy with ``change(name, text)`` in place of every text of some options."""
        if not names:
            # Without anything to replace, a hundred thousand jobs share one object.
            return self
        # dataclasses.replace() passes each field through a frozen __init__: ten times as slow.
        copy = object.__new__(type(self))
        values = vars(copy)
        values.update(vars(self))
        for name in names:
            value = values[name]
            if isinstance(value, str):
                values[name] = change(name, value)
            else:
                values[name] = [change(name, text) for text in value]
        return copy


def _has_brace(value: object) -> bool:
    if isinstance(value, str):
        return "{" in value
    return isinstance(value, list | tuple) and any("{" in text for text in value)


def given(values: Mapping[str, object], *, todays: bool = False) -> MiniOptions:
    """Return click's values, which are texts, tuples of texts, flags and counts, as options, to be
    read as today's flux-core does or not.
    """
    return MiniOptions(todays=todays, **cast("dict[str, Never]", values))
