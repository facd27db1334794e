"""Which jobs may share a shell process: small ones that bring no code of their own into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping

HARMLESS: Final = frozenset(
    {"cpu-affinity", "exit-on-error", "exit-timeout", "input", "output", "pmi", "verbose"}
)
"""Shell options that change nothing but the job's own tasks and logs."""
MOST_TASKS: Final = 4
"""Tasks of a job on one rank; beyond, a process of its own costs little in comparison."""


def may_share(jobspec: JsonMapping) -> bool:
    """Tell from its jobspec (RFC 14) whether a job needs no shell process of its own.

    It needs one for options that run code in the shell, change the process or keep something
    beyond the job (``initrc``, ``pty``, ``rlimit``, ``linger``), for a batch script, which is an
    instance of its own, for a job shell of its own, for files that it brings along, and for many
    tasks.
    """
    try:
        system = jobspec["attributes"]["system"]
        options = (system.get("shell") or {}).get("options") or {}
        (resource,) = jobspec["resources"]
        if resource["type"] == "node":
            (resource,) = resource["with"]
        (task,) = jobspec["tasks"]
        return (
            options.keys() <= HARMLESS
            and "batch" not in system
            and "files" not in system
            and not job_shell_of(system)
            and resource["type"] == "slot"
            and 0 < resource["count"] <= MOST_TASKS
            and task["count"] == {"per_slot": 1}
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def job_shell_of(system: JsonMapping) -> str:
    """Return the program that ``attributes.system`` of a jobspec names as job shell, "" for
    none.
    """
    execution = system.get("exec")
    path = execution.get("job_shell") if isinstance(execution, dict) else None
    return path if isinstance(path, str) else ""
