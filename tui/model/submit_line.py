"""The command that submits a job like one that there is: its jobspec as options of ``flux submit``
(RFC 14, RFC 25), which was ``flux mini submit`` before, quoted for a shell.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_URGENCY_DEFAULT
from flux.job.describe import task_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_UNUSUAL: Final = "its resources cannot be written as options"
_LEFT_OUT: Final = ("environment", "duration", "queue", "job", "shell", "dependencies")
"""Attributes that have options of their own, and the environment, which is that of whoever submits.
"""


SPELLINGS: Final = ("flux submit", "flux mini submit")
"""How the command is written: today's, and that of flux-core 0.29."""
_TODAYS: Final = (0, 48)
"""The first version of flux-core that has ``flux submit`` in the place of the other."""


def spelling_for(version: str) -> str:
    """Return how an instance of that version has its users write the command."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    today = found is not None and (int(found[1]), int(found[2])) >= _TODAYS
    return SPELLINGS[0] if today else SPELLINGS[1]


def submit_line(
    jobspec: object, urgency: int = FLUX_JOB_URGENCY_DEFAULT, spelling: str = SPELLINGS[1]
) -> str:
    """Return the command, in one of the ``SPELLINGS``.

    Raises ValueError if options do not say what the jobspec does.
    """
    tasks = _list(_of(jobspec, "tasks"))
    command = _of(tasks[0], "command") if len(tasks) == 1 else None
    if not isinstance(command, list) or not command:
        raise ValueError("it has no single command")
    options = list(_options(jobspec))
    if spelling == SPELLINGS[0]:
        # A key of today is below ``system`` unless a dot says that it is whole.
        options = [re.sub(r"\A--setattr=", "--setattr=.", option) for option in options]
    if urgency != FLUX_JOB_URGENCY_DEFAULT:
        options.append(f"--urgency={urgency}")
    program = [str(word) for word in command]
    if program[0].startswith("-"):
        options.append("--")
    return " ".join(map(quoted, [*spelling.split(), *options, *program]))


def _options(jobspec: object) -> Iterator[str]:
    """Yield the options for what a jobspec asks for."""
    yield from _resources(jobspec)
    attributes = _of(jobspec, "attributes")
    table = attributes if isinstance(attributes, dict) else {}
    system = table.get("system")
    yield from _system(system if isinstance(system, dict) else {})
    for key, value in table.items():
        if key != "system":
            yield f"--setattr={_plain(key)}={json.dumps(value)}"


def quoted(word: str) -> str:
    """Return a word for a shell: what has control characters in the form that shows them, for they
    would act on the terminal that the line is pasted into.
    """
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _of(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _plain(key: str) -> str:
    """Return a key that stands for itself in the path of an attribute or an option."""
    if not key or "." in key or "=" in key:
        raise ValueError(f"its attribute {key} cannot be written as an option")
    return key


def _count(part: object) -> int:
    count = _of(part, "count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(_UNUSUAL)
    return count


def _resources(jobspec: object) -> Iterator[str]:
    """Yield the options for tasks, cores, GPUs and nodes."""
    top = _list(_of(jobspec, "resources"))
    ntasks = task_count(jobspec)
    if len(top) != 1 or ntasks is None:
        raise ValueError(_UNUSUAL)
    part, nodes = top[0], 0
    if _of(part, "type") == "node":
        below = _list(_of(part, "with"))
        nodes, exclusive = _count(part), bool(_of(part, "exclusive"))
        if len(below) != 1:
            raise ValueError(_UNUSUAL)
        part = below[0]
        yield f"-N{nodes}"
        if exclusive:
            yield "-x"
    if _of(part, "type") != "slot":
        raise ValueError(_UNUSUAL)
    # The slots of a jobspec made by these options: as many as tasks, or as fit on each node.
    if _count(part) != (math.ceil(ntasks / nodes) if nodes else ntasks):
        raise ValueError(_UNUSUAL)
    yield f"-n{ntasks}"
    for each in _list(_of(part, "with")):
        option = {"core": "-c", "gpu": "-g"}.get(str(_of(each, "type")))
        if option is None or _list(_of(each, "with")):
            raise ValueError(_UNUSUAL)
        if option != "-c" or _count(each) != 1:
            yield f"{option}{_count(each)}"


def _system(system: Mapping[str, object]) -> Iterator[str]:
    """Yield the options for what stands in ``attributes.system``."""
    duration = system.get("duration")
    if isinstance(duration, int | float) and duration:
        yield f"-t{duration:g}s"
    if isinstance(system.get("queue"), str):
        yield f"--queue={system['queue']}"
    job = system.get("job")
    for key, value in (job if isinstance(job, dict) else {}).items():
        if key == "name":
            yield f"--job-name={value}"
        else:
            yield f"--setattr=system.job.{_plain(key)}={json.dumps(value)}"
    for dependency in _list(system.get("dependencies")):
        yield f"--dependency={_dependency(dependency)}"
    for key, value in system.items():
        if key not in _LEFT_OUT:
            yield f"--setattr=system.{_plain(key)}={json.dumps(value)}"
    shell = system.get("shell")
    for key, value in (shell if isinstance(shell, dict) else {}).items():
        if key == "options" and isinstance(value, dict):
            for path, member in _leaves(value, ()):
                yield f"-o{'.'.join(path)}={json.dumps(member)}"
        else:
            yield f"--setattr=system.shell.{_plain(key)}={json.dumps(value)}"


def _leaves(
    table: Mapping[str, object], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, _plain(key)))
        else:
            yield (*path, _plain(key)), value


def _dependency(dependency: object) -> str:
    """Return a dependency as its URI (RFC 26)."""
    if not isinstance(dependency, dict):
        raise ValueError("its dependencies cannot be written as options")
    others: Sequence[str] = [
        f"{key}={value}" for key, value in dependency.items() if key not in ("scheme", "value")
    ]
    uri = f"{dependency.get('scheme')}:{dependency.get('value')}"
    return uri + ("?" + "&".join(others) if others else "")
