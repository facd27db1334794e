"""Configuration files of the commands and of programs like them, in the folders of the XDG base
directories (flux.util of today's flux-core).
"""

from __future__ import annotations

import copy
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from flux.treedict import dict_merge
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.wire.json import JsonObject

FORMATS: Final = "formats"
"""The table of output formats."""
_GET: Final = "get-config="


def xdg_searchpath(subdir: str = "") -> list[Path]:
    """Return the folders of configuration files, the user's own first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [Path(folder, "flux", subdir) for folder in (home, *shared.split(":")) if folder]


def _yaml(text: str) -> object:
    from yaml import YAMLError, safe_load

    try:
        found: object = safe_load(text)
    except YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    return found


class UtilConfig:
    """The configuration of a program, made of ``initial_dict`` and of the files ``NAME.toml``,
    ``NAME.yaml`` and ``NAME.json``, of which the user's own count most.

    ``toolname`` is what environment variables are called after, by default the name;
    ``subcommand`` names the table that counts, by default all of it. What `load` read is
    ``config``, and its tables are attributes.
    """

    builtin_formats: ClassVar[Mapping[str, JsonObject]] = {}
    """Output formats that files may not change, by name."""
    extension_handlers: ClassVar[Mapping[str, Callable[[str], object]]] = {
        ".toml": tomllib.loads,
        ".yaml": _yaml,
        ".json": json.loads,
    }

    def __init__(
        self,
        name: str,
        toolname: str | None = None,
        subcommand: str | None = None,
        initial_dict: JsonObject | None = None,
    ) -> None:
        self.name = name
        self.toolname = toolname
        self.subtable = subcommand
        self.dict = copy.deepcopy(initial_dict or {})
        self.searchpath = xdg_searchpath()[::-1]

    @property
    def config(self) -> JsonObject:
        """What counts of it: all, or the table of the sub-command."""
        if self.subtable is None:
            return self.dict
        table = self.dict.setdefault(self.subtable, {})
        if not isinstance(table, dict):
            raise ValueError(f"{self.name}: {self.subtable} must be a mapping")
        return table

    def load(self) -> Self:
        """Read the files; returns itself. Raises ValueError, which names the file, for one that is
        malformed or that `validate` refuses, OSError for one that cannot be read.
        """
        for folder in self.searchpath:
            for path in sorted(folder.glob(f"{self.name}.*")):
                if path.suffix in self.extension_handlers:
                    self._add(path)
        return self

    def _add(self, path: Path) -> None:
        try:
            found = self.extension_handlers[path.suffix](path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if not isinstance(found, dict):
            raise ValueError(f"{path}: the file must be a mapping")
        mine = found.get(self.subtable, {}) if self.subtable is not None else found
        if mine:
            self.validate(str(path), mine)
        dict_merge(self.dict, found)

    def validate(self, path: str, conf: JsonObject) -> None:
        """Check what a file says before it counts; subclasses raise ValueError."""

    def validate_formats(self, path: str, formats: object) -> None:
        """Check a table of output formats, each with a ``format`` and perhaps a ``description``.

        Raises ValueError, which names the file ``path``.
        """
        if not isinstance(formats, dict):
            raise ValueError(f"{path}: the '{FORMATS}' key must be a mapping")
        for name, entry in formats.items():
            if name in self.builtin_formats:
                raise ValueError(f"{path}: override of builtin format '{name}' not permitted")
            if not isinstance(entry, dict):
                raise ValueError(f"{path}: '{FORMATS}.{name}' must be a mapping")
            if "format" not in entry:
                raise ValueError(f"{path}: {FORMATS}.{name}: required key 'format' missing")
            if not isinstance(entry["format"], str):
                raise ValueError(f"{path}: {FORMATS}.{name}: 'format' key must be a string")

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name == "dict":
            raise AttributeError(name)
        try:
            return self.config[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}") from None

    def _default(self) -> str | None:
        """Return the format that the environment makes the default."""
        tool = (self.toolname or self.name).replace("-", "_").upper()
        command = f"_{self.subtable.replace('-', '_').upper()}" if self.subtable else ""
        return os.environ.get(f"{tool}{command}_FORMAT_DEFAULT")

    def get_format_string(self, format_name: str) -> str:
        """Return an output format by name; a text with braces is one itself. ``help`` prints which
        there are, ``get-config=NAME`` one of them, and exit.

        Raises ValueError for a name that there is not.
        """
        if "{" in format_name:
            return format_name
        if (told := self.format_help(format_name)) is not None:
            print(told)
            sys.exit(0)
        if format_name == "default" and (mine := self._default()):
            return mine if "{" in mine else self.get_format_string(mine)
        formats = self._formats()
        if format_name not in formats:
            meant = " ".join(f"{{{word}}}" for word in format_name.split())
            text = f"--format: No such format {format_name} (Did you mean '{meant}'?)"
            raise ValueError(text)
        return str(formats[format_name]["format"])

    def format_help(self, format_name: str) -> str | None:
        """Return the text that ``help`` or ``get-config=NAME`` asks for, None for another name.

        Raises ValueError for a NAME that there is not.
        """
        formats = self._formats()
        if format_name == "help":
            lines = [f"\nConfigured {self.toolname or self.name} output formats:\n"]
            for name, entry in formats.items():
                lines.append(f"  {name:<12} {entry.get('description', '')}".rstrip())
            return "\n".join(lines)
        if not format_name.startswith(_GET):
            return None
        name = format_name.removeprefix(_GET)
        if name not in formats:
            raise ValueError(f"--format: No such format {name}")
        table = FORMATS if self.subtable is None else f"{self.subtable}.{FORMATS}"
        values = [f"{key} = {json.dumps_str(value)}" for key, value in formats[name].items()]
        return "\n".join([f"[{table}.{name}]", *values])

    def _formats(self) -> dict[str, JsonObject]:
        return self.config.get(FORMATS) or {}
