"""Every argument and option that names what the broker knows completes by it."""

from __future__ import annotations

import click
import pytest

from tests.unit.fluxctl.test_readers import leaves

NAMED = {
    "--queue": "queues",
    "--queues": "queues",
    "--namespace": "namespaces",
    "--rank": "ranks",
    "--states": "states",
    "--filter": "states",
    "--query": "queries",
    "--user": "users",
    "target": "instances",
    "targets": "instances, or nodes",
    "--format": "fields, or forms",
    "--sort": "columns",
    "jobid": "jobs",
    "jobids": "jobs",
    "key": "keys",
    "keys": "keys",
    "queue": "queues",
    "queues": "queues",
    "module": "modules",
}
"""Names of options and arguments, and what they complete by."""

OTHERWISE: dict[str, str] = {
    "cron dump key": "a member of the entry that is dumped",
    "pmi get keys": "keys of PMI, which the job's tasks and their MPI make up",
    "priority --format": "a format of sprio: letters",
    "priority --sort": "letters of such a format",
    "seg module": "a module for SEG, a name or a file",
    "shell jobid": "any number: there is no job yet",
}
"""Parameters of these names that name something else, and what."""


def completes(param: click.Parameter) -> bool:
    """Whether more than files, or nothing, is offered for a parameter."""
    own = type(param).shell_complete is not click.Parameter.shell_complete
    told = param._custom_shell_complete is not None  # noqa: SLF001 - it has no other name
    flag = isinstance(param, click.Option) and (param.is_flag or param.count)
    return own or told or flag or isinstance(param.type, click.Choice)


def parameters() -> list[tuple[str, click.Parameter]]:
    """Return the parameters that have such names, with the command and their own."""
    found = []
    for path, command in leaves().items():
        for param in command.params:
            named = [name for name in (*param.opts, param.name or "") if name in NAMED]
            hidden = isinstance(param, click.Option) and param.hidden
            if named and not hidden:
                found.append((f"{path} {named[0]}", param))
    return found


@pytest.mark.parametrize(("name", "param"), parameters(), ids=[name for name, _ in parameters()])
def test_it_completes(name: str, param: click.Parameter) -> None:
    assert completes(param) != (name in OTHERWISE)
