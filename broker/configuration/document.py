"""The files of a configuration, read and merged, with the way back from a value to its line."""

from __future__ import annotations

import errno
import math
import os
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flux.toml_positions import Path
    from flux.wire.json import JsonObject

MOST: Final = (1 << 63) - 1
LEAST: Final = -(1 << 63)
GIVEN: Final = "--conf"
"""What errors call the place of what the command line gives."""
_PLACE: Final = re.compile(r"(.*) \(at line (\d+), column \d+\)\Z", re.DOTALL)


class TomlFile(Struct, frozen=True):
    """One file: its path, its text and the tables in it."""

    path: str
    text: str
    tables: JsonObject

    def has(self, path: Path) -> bool:
        """Whether this file sets what is at ``path``."""
        value: object = self.tables
        for step in path:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and step in range(len(value)):
                value = value[int(step)]
            else:
                return False
        return True

    def place(self, path: Path) -> str:
        """Return file and line of what is at ``path``, the file only if the line is not known."""
        if self.path.endswith(".json"):
            return self.path  # lines are those of TOML
        from flux.toml_positions import key_lines  # a good file never needs it

        try:
            line = key_lines(self.text).get(path)
        except RecursionError:
            line = None
        return f"{self.path}:{line}" if line else self.path


class Document:
    """All files of a configuration: ``tables`` is what they say together.

    A key that is set in two files has the later value, in the order of the files' names. Values
    are such as JSON can hold: dates and times are strings.
    """

    def __init__(self, files: list[TomlFile]) -> None:
        self._files = files
        self.tables: JsonObject = {}
        for file in files:
            _merge(self.tables, file.tables)

    def error(self, path: Path, problem: str) -> OSError:
        """Return the error for what is at ``path``, with file, line and key."""
        place = self.place(path)
        text = f"{place}: {dotted(path)}: {problem}" if place else f"{dotted(path)}: {problem}"
        return OSError(errno.EINVAL, f"Config file error: {text}")

    def place(self, path: Path) -> str:
        """Return file and line of what is at ``path``, or of the table it is missing in; empty if
        it is in no file.
        """
        for depth in range(len(path), 0, -1):
            for file in reversed(self._files):
                if file.has(path[:depth]):
                    return file.place(path[:depth])
        return ""


def dotted(path: Path) -> str:
    """Return a path as it is written in messages, such as ``bootstrap.hosts[0].bind``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read(path: str | None, given: JsonObject | None = None) -> Document:
    """Return what is in ``path``, a TOML file or a directory with files ``*.toml``, and above it
    the tables that the command line has ``given``. A file that is called ``*.json`` has the same as
    a JSON object.

    Raises OSError: why a file cannot be read, or EINVAL with file, line and what is not TOML.
    """
    files = [_parse(name) for name in _names(path)] if path else []
    document = Document([*files, TomlFile(GIVEN, "", given)] if given else files)
    for place, problem in _unfit(document.tables, ()):
        raise document.error(place, problem)
    document.tables = _plain_object(document.tables)
    return document


def _names(path: str) -> list[str]:
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


def _tables(path: str, text: str) -> JsonObject:
    if path.endswith(".json"):
        from flux.wire import json

        value: object = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("is no JSON object")
        return value
    import tomli

    return tomli.loads(text)


def _parse(path: str) -> TomlFile:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return TomlFile(path, text, _tables(path, text))
    except OSError as exc:
        raise OSError(exc.errno, f"config.path: {path}: {exc.strerror}") from None
    except (ValueError, RecursionError) as exc:
        place, problem = path, str(exc)
        if isinstance(exc, RecursionError):
            problem = "nested too deep"
        elif isinstance(exc, UnicodeDecodeError):
            problem = "is not text in UTF-8"
        elif match := _PLACE.match(problem):
            place, problem = f"{path}:{match[2]}", match[1]
        raise OSError(errno.EINVAL, f"Config file error: {place}: {problem}") from None


def _merge(into: JsonObject, tables: Mapping[str, object]) -> None:
    """Add ``tables`` to what was read before; a key that is set twice keeps the later value."""
    for key, value in tables.items():
        before = into.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged = dict(before)
            _merge(merged, value)
            into[key] = merged
        else:
            into[key] = value


def _unfit(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield what JSON cannot hold."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _unfit(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unfit(member, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "must be finite"
    elif isinstance(value, int) and not LEAST <= value <= MOST:
        yield path, "must be an integer of 64 bits"


def _plain_object(table: Mapping[str, object]) -> JsonObject:
    return {key: _plain(value) for key, value in table.items()}


def _plain(value: object) -> object:
    """Return a value with dates and times as strings."""
    if isinstance(value, dict):
        return _plain_object(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    isoformat = getattr(value, "isoformat", None)
    return value if isoformat is None else isoformat()
