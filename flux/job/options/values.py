"""The values of options as a jobspec has them: dependencies, constraints, files, attributes, time
limits (flux-mini(1), and flux-submit(1) of today's flux-core).
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.job.jobspec_attributes import JobspecAttributes

SECONDS: Final = 60
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
VALUELESS: Final = ("singleton",)
"""Schemes of dependencies that say everything."""
UNBUFFERED: Final = {
    "output.stdout.buffer.type": "none",
    "output.stderr.buffer.type": "none",
    "output.batch-timeout": 0.05,
    "input.batch-timeout": 0.0,
}
"""Shell options of ``--unbuffered``."""


def time_limit(text: str) -> float | str:
    """Return a time limit in seconds, of a number without a unit, which is minutes; or the Flux
    standard duration as it is.

    Raises ValueError for a negative number, and for what is none.
    """
    if text.strip().lower() == "nan":
        raise ValueError("duration must be a normal, finite value")
    try:
        minutes = float(text) if _NUMBER.fullmatch(text) else math.nan
    except ValueError:
        minutes = math.nan
    if math.isnan(minutes):
        return text
    if minutes < 0:
        raise ValueError("duration must not be negative")
    return minutes * SECONDS


def attribute_key(key: str) -> str:
    """Return the path below ``attributes`` of a key, which is one of the system's unless it begins
    with ``system.``, ``user.``, ``attributes.`` or a period.
    """
    if key.startswith("."):
        return key[1:]
    if key.startswith("attributes."):
        return key.removeprefix("attributes.")
    return key if key.startswith(("system.", "user.")) else f"system.{key}"


def set_unbuffered(jobspec: JobspecAttributes) -> None:
    """Have the job's shells pass on input and output as they come."""
    for key, value in UNBUFFERED.items():
        jobspec.setattr_shell_option(key, value)


def clear_unbuffered(jobspec: JobspecAttributes) -> None:
    """Undo `set_unbuffered`."""
    options = ((jobspec.attributes or {}).get("system") or {}).get("shell", {}).get("options", {})
    for key in UNBUFFERED:
        *path, leaf = key.split(".")
        tables = [options]
        for name in path:
            tables.append(tables[-1].get(name, {}))
        tables[-1].pop(leaf, None)
        for parent, name in zip(reversed(tables[:-1]), reversed(path), strict=True):
            if parent.get(name) == {}:
                del parent[name]


def is_ranks(text: str) -> bool:
    """Whether the value of ``--input`` names tasks rather than a file."""
    from flux.idset import IDset

    if not text[:1].isdigit():
        return False
    try:
        IDset(text)
    except ValueError:
        return False
    return True


def parse_value(text: str) -> object:
    """Return JSON where the text is JSON, otherwise the text."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def parse_dependency(uri: str, *, alone: bool = False) -> dict[str, object]:
    """Return the RFC 26 object of a dependency URI ``SCHEME:VALUE[?KEY=VAL[&KEY=VAL...]]``, or of
    a scheme of `VALUELESS` alone; of any scheme with ``alone``.

    Raises ValueError if it does not begin with a scheme.
    """
    scheme, colon, rest = uri.partition(":")
    value, _, query = rest.partition("?")
    if not (scheme and (colon or alone)) and uri not in VALUELESS:
        raise ValueError(f'Invalid dependency URI "{uri}"')
    entry: dict[str, object] = {"scheme": scheme, "value": value}
    for pair in filter(None, query.split("&")):
        key, _, text = pair.partition("=")
        entry[key] = parse_value(text)
    return entry


def parse_requires(texts: Sequence[str]) -> object:
    """Return the constraint that all of some texts make (RFC 31); raises ValueError."""
    from flux.constraint.parser import parse_constraint

    text = texts[0] if len(texts) == 1 else " and ".join(f"({text})" for text in texts)
    try:
        return parse_constraint(text)
    except ValueError as error:
        raise ValueError(f"--requires='{text}': {error}") from None


def parse_taskmap(text: str) -> dict[str, str]:
    """Return the shell option of a mapping of tasks, ``SCHEME[:VALUE]``."""
    scheme, _, value = text.partition(":")
    return {"scheme": scheme, "value": value}


def parse_signal(text: str) -> dict[str, object]:
    """Return the shell option of a signal before the time limit, ``[SIGNAL][@TIME]``; raises
    ValueError.
    """
    from flux.job.signals import parse_warning

    try:
        number, seconds = parse_warning(text)
    except ValueError as error:
        raise ValueError(f"--signal={text}: {error}") from None
    return {"signum": number, "timeleft": seconds}


class FileOption(NamedTuple):
    """A file of a job: its name, its content or the path of a local one, its permissions."""

    name: str
    data: str
    perms: int | None


def parse_file(text: str) -> FileOption:
    """Return what ``[NAME[:PERMS]=]PATH|DATA`` names: DATA has a newline, PATH is a file, whose
    last part is its NAME if none is given.
    """
    name, equals, data = text.partition("=")
    if not equals:
        return FileOption(os.path.basename(text), text, None)
    if re.search(":[0-7]+$", name):
        name, _, digits = name.rpartition(":")
        return FileOption(name, data, int(digits, 8))
    return FileOption(name, data, None)


def add_file(jobspec: JobspecAttributes, text: str) -> None:
    """Add the file of an option to a jobspec; raises ValueError, which names the option."""
    try:
        jobspec.add_file(*parse_file(text))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        shown = text.replace("\n", "\\n")[:100]
        raise ValueError(f"--add-file={shown}: {reason}") from None
