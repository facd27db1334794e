"""The configuration of a broker: TOML files (flux-config(5)), read once into typed tables. Pure but
for reading the files.

A table that has a class here is checked: an unknown key, a value of the wrong type or an impossible
one fails the start, and the error names file, line and key. Other tables are kept as they are.
"""

from __future__ import annotations

import errno
import math
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flux.duration import parse_fsd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class JobManagerConfig:
    """``[job-manager]``: limits beyond which inactive jobs are purged, None for no limit.

    ``inactive_age_limit`` is in seconds, given as a Flux standard duration; ``inactive_num_limit``
    is how many are kept.
    """

    inactive_age_limit: float | None = None
    inactive_num_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A broker's configuration: what was read, ``tables``, and the tables that are checked."""

    job_manager: JobManagerConfig = JobManagerConfig()
    tables: Mapping[str, object] = field(default_factory=dict)


class _TomlText:
    """One file: its path and text, to say where a mistake is."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def error(self, table: str, key: str, problem: str) -> OSError:
        """Return the error for a key of a table."""
        line = self._line(table, key)
        where = f"{self.path}:{line}" if line else self.path
        return OSError(errno.EINVAL, f"config.path: {where}: {table}.{key}: {problem}")

    def _line(self, table: str, key: str) -> int:
        """Return the number of the line that sets a key in the usual notation, 0 if it is set in
        another.
        """
        inside = False
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[\s*[\"']?([^\[\]\"']*?)[\"']?\s*\]", line)
            if header:
                inside = header[1] == table
            elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
        return 0


def load(path: str | None) -> Config:
    """Return the configuration in ``path``, a TOML file or a directory whose ``*.toml`` files are
    merged in the order of their names; the empty one for None.

    Raises OSError saying which file, and which key in it, is wrong.
    """
    if not path:
        return Config()
    merged: Table = {}
    origins: dict[tuple[str, str], _TomlText] = {}
    for name in _files(path):
        source, tables = _parse(name)
        for table, content in tables.items():
            if isinstance(content, dict):
                origins.update(((table, key), source) for key in content)
            else:
                origins[table, ""] = source
        _merge(merged, tables)
    return Config(_job_manager(merged, origins), merged)


def _files(path: str) -> list[str]:
    try:
        if os.path.isdir(path):
            return [
                os.path.join(path, name)
                for name in sorted(os.listdir(path))
                if name.endswith(".toml")
            ]
        os.stat(path)
    except OSError as exc:
        raise OSError(exc.errno, f"config.path: {path}: {exc.strerror}") from None
    return [path]


def _parse(path: str) -> tuple[_TomlText, Table]:
    import tomllib

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return _TomlText(path, text), tomllib.loads(text)
    except OSError as exc:
        raise OSError(exc.errno, f"config.path: {path}: {exc.strerror}") from None
    except (ValueError, RecursionError) as exc:
        problem = "nested too deep" if isinstance(exc, RecursionError) else exc
        raise OSError(errno.EINVAL, f"config.path: {path}: {problem}") from None


def _merge(into: Table, tables: Mapping[str, object]) -> None:
    """Add ``tables`` to what was read before; a key that is set twice keeps the later value."""
    for key, value in tables.items():
        before = into.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            _merge(before, value)
        else:
            into[key] = value


def _age(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('must be a string, a duration such as "7d"')
    seconds = parse_fsd(value)
    if math.isinf(seconds):
        raise ValueError("must be finite")
    return seconds


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError("must be an integer, 0 or greater")
    return value


_JOB_MANAGER: Final[Mapping[str, Callable[[object], float]]] = {
    "inactive-age-limit": _age,
    "inactive-num-limit": _number,
}


def _job_manager(tables: Table, origins: Mapping[tuple[str, str], _TomlText]) -> JobManagerConfig:
    name = "job-manager"
    content = tables.get(name, {})
    if not isinstance(content, dict):
        raise OSError(
            errno.EINVAL, f"config.path: {origins[name, ''].path}: {name}: must be a table"
        )
    values: dict[str, float] = {}
    for key, value in content.items():
        check = _JOB_MANAGER.get(key)
        if check is None:
            raise origins[name, key].error(name, key, "unknown key")
        try:
            values[key] = check(value)
        except ValueError as exc:
            raise origins[name, key].error(name, key, str(exc)) from None
    number = values.get("inactive-num-limit")
    return JobManagerConfig(
        values.get("inactive-age-limit"), None if number is None else int(number)
    )
