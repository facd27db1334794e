"""What a user may set of the dashboard, read from the text of a TOML file."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from flux.job.query.fields import nearest
from flux.toml_positions import key_lines
from tui.model.columns import BY_NAME, columns_from_format
from tui.model.format import printable
from tui.model.query import Query, QueryError
from tui.model.submit_line import SPELLINGS
from tui.model.themes import BUILT_IN, REVERSE, ROLES, derived, is_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flux.toml_positions import Path
    from tui.model.themes import ColourTheme

_Made = TypeVar("_Made")
LEAST_REFRESH: Final = 0.1
MOST_REFRESH: Final = 60.0
LEAST_EVERY: Final = 1.0
MOST_BYTES: Final = 1 << 20
"""Length of a file that is still read: a mistaken path may name anything."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_AT: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)\Z", re.DOTALL)


class SavedView(NamedTuple):
    """A way to look at the jobs: what is not given stays as it is."""

    name: str
    query: str = ""
    sort: str = ""
    columns: str = ""
    group: bool | None = None


class NotifyRules(NamedTuple):
    """How the end of watched jobs is told; ``failures`` is a query of jobs whose failing is told
    without being watched, ``every`` the seconds between two tellings at least.
    """

    message: bool = True
    bell: bool = True
    desktop: bool = False
    command: str = ""
    failures: str = ""
    every: float = 5.0


NOTIFY_RULES: Final = NotifyRules()


class InstanceTab(NamedTuple):
    """An instance to show in a tab of its own."""

    uri: str
    name: str = ""


class OwnCommand(NamedTuple):
    """A command of the user's, for the jobs that are marked or under the cursor."""

    name: str
    command: str
    key: str = ""
    description: str = ""
    confirm: bool = True
    background: bool = False


@dataclass(frozen=True, slots=True)
class TopSettings:
    """All settings, those that the file does not have at their defaults."""

    theme: str = ""
    refresh: float = LEAST_REFRESH
    ascii: bool = False
    read_only: bool = False
    query: str = ""
    sort: str = ""
    columns: str = ""
    submit: str = ""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    themes: Mapping[str, ColourTheme] = field(default_factory=dict)
    views: Mapping[str, SavedView] = field(default_factory=dict)
    notify: NotifyRules = NOTIFY_RULES
    instances: tuple[InstanceTab, ...] = ()
    commands: Mapping[str, OwnCommand] = field(default_factory=dict)
    text: str = field(default="", repr=False, compare=False)
    """What they were read from."""

    def place(self, key: str) -> int:
        """Return the line of a key such as ``keys.jobs.cancel``, 1 if it is not known."""
        wanted = key.split(".")
        for path, line in key_lines(self.text).items():
            if ".".join(map(str, path)).split(".") == wanted:
                return line
        return 1


KEYS: Final[dict[str, tuple[str, ...]]] = {
    "": (
        "theme", "refresh", "ascii", "read-only", "query", "sort", "columns",
        "submit", "keys", "themes", "views", "notify", "instances", "commands",
    ),
    "views": ("query", "sort", "columns", "group"),
    "notify": ("message", "bell", "desktop", "command", "failures", "every"),
    "instances": ("uri", "name"),
    "commands": ("command", "key", "description", "confirm", "background"),
    "themes": ("base", *ROLES),
}  # fmt: skip
"""The keys of the file and of each kind of table in it."""


def read_settings(text: str, file: str) -> tuple[TopSettings, list[str]]:
    """Return the settings in ``text``, and a sentence with file and line for each thing in it that
    cannot be used: that one is left at its default.

    Raises OSError (EINVAL) if it is not TOML.
    """
    import tomli  # most have no file of settings

    try:
        tables = tomli.loads(text)
    except (ValueError, RecursionError) as error:
        raise OSError(errno.EINVAL, _not_toml(error, text, file)) from None
    reader = _SettingsReader(tables, text, file)
    settings = reader.settings()
    return settings, [problem for _, problem in sorted(reader.problems)]


def _not_toml(error: Exception, text: str, file: str) -> str:
    found = _AT.match(str(error))
    place = file
    if found:
        place = f"{file}:{found[2] or text.rstrip().count(chr(10)) + 1}"
    why = found[1] if found else "nested too deep"
    return f"{place}: {why[:1].lower()}{why[1:]}"


def _flat(
    table: Mapping[str, object], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, (*path, key))
        else:
            yield (*path, key), value


class _SettingsReader:
    """Takes values out of the tables and notes what is wrong with them."""

    def __init__(self, tables: dict[str, object], text: str, file: str) -> None:
        self._tables = tables
        self._text = text
        self._file = file
        self._lines: dict[Path, int] | None = None
        self.problems: list[tuple[int, str]] = []

    def settings(self) -> TopSettings:
        """Return all settings."""
        top = self._tables
        self._known(top, (), "")
        themes = self._each("themes", self._theme)
        return TopSettings(
            theme=self._one_of(top, ("theme",), [*BUILT_IN, *themes], "theme"),
            refresh=self._number(top, ("refresh",), LEAST_REFRESH, LEAST_REFRESH, MOST_REFRESH),
            ascii=self._flag(top, ("ascii",), False),
            read_only=self._flag(top, ("read-only",), False),
            query=self._query(top, ("query",)),
            sort=self._sort(top, ("sort",)),
            columns=self._columns(top, ("columns",)),
            submit=self._one_of(top, ("submit",), list(SPELLINGS), "spelling"),
            keys=self._keys(),
            themes=themes,
            views=self._each("views", self._view),
            notify=self._notify(),
            instances=self._instances(),
            commands=self._each("commands", self._command),
            text=self._text,
        )

    # What is wrong

    def _wrong(self, path: Path, problem: str) -> None:
        if self._lines is None:
            self._lines = key_lines(self._text)
        line = self._lines.get(path, 1)
        key = ".".join(str(step) for step in path)
        self.problems.append((line, printable(f"{self._file}:{line}: {key}: {problem}")))

    def _known(self, table: dict[str, object], path: Path, kind: str) -> None:
        for key in table:
            if key not in KEYS[kind]:
                near = nearest(key, KEYS[kind])
                hint = f"did you mean {near}?" if near else f"there are {', '.join(KEYS[kind])}"
                self._wrong((*path, key), f"no such setting; {hint}")

    # Values

    def _words(self, table: dict[str, object], path: Path) -> str:
        value = table.get(str(path[-1]), "")
        if not isinstance(value, str):
            self._wrong(path, "must be a text in quotes")
        elif value and not value.isprintable():
            self._wrong(path, "has characters that cannot be shown")
        else:
            return value
        return ""

    def _flag(self, table: dict[str, object], path: Path, default: bool) -> bool:
        value = table.get(str(path[-1]), default)
        if isinstance(value, bool):
            return value
        self._wrong(path, "must be true or false")
        return default

    def _number(
        self, table: dict[str, object], path: Path, default: float, least: float, most: float
    ) -> float:
        value = table.get(str(path[-1]), default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if least <= value <= most:
                return float(value)
            self._wrong(path, f"must be from {least:g} to {most:g} (seconds)")
        else:
            self._wrong(path, "must be a number of seconds")
        return default

    def _one_of(self, table: dict[str, object], path: Path, names: list[str], what: str) -> str:
        value = self._words(table, path)
        if value and value not in names:
            near = nearest(value, names)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
            self._wrong(path, f"no {what} {value}; {hint}")
            return ""
        return value

    def _query(self, table: dict[str, object], path: Path) -> str:
        text = self._words(table, path)
        try:
            Query.parse(text)
        except QueryError as error:
            self._wrong(path, str(error))
            return ""
        return text

    def _sort(self, table: dict[str, object], path: Path) -> str:
        text = self._words(table, path)
        column = text.removeprefix("-")
        if column and column not in BY_NAME:
            near = nearest(column, BY_NAME)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(BY_NAME)}"
            self._wrong(path, f"no column {column}; {hint}")
            return ""
        return text

    def _columns(self, table: dict[str, object], path: Path) -> str:
        text = self._words(table, path)
        try:
            if text:
                columns_from_format(text)
        except OSError as error:
            self._wrong(path, str(error.strerror or error))
            return ""
        return text

    # Tables

    def _table(self, name: str) -> dict[str, object]:
        found = self._tables.get(name, {})
        if isinstance(found, dict):
            return found
        self._wrong((name,), f"must be a table, [{name}]")
        return {}

    def _each(
        self, kind: str, make: Callable[[str, dict[str, object]], _Made | None]
    ) -> dict[str, _Made]:
        """Return what ``make`` makes of each table of ``[kind.NAME]``."""
        made: dict[str, _Made] = {}
        for name, table in self._table(kind).items():
            if not isinstance(table, dict):
                self._wrong((kind, name), f"must be a table, [{kind}.NAME]")
            elif not _NAME.match(name):
                self._wrong((kind, name), "names are of letters, digits, and . _ -, at most 32")
            else:
                self._known(table, (kind, name), kind)
                found = make(name, table)
                if found is not None:
                    made[name] = found
        return made

    def _view(self, name: str, table: dict[str, object]) -> SavedView | None:
        path = ("views", name)
        query = self._query(table, (*path, "query"))
        if table.get("query") and not query:
            return None  # all jobs are not what its name stands for
        return SavedView(
            name,
            query,
            self._sort(table, (*path, "sort")),
            self._columns(table, (*path, "columns")),
            self._flag(table, (*path, "group"), False) if "group" in table else None,
        )

    def _command(self, name: str, table: dict[str, object]) -> OwnCommand | None:
        path = ("commands", name)
        command = self._words(table, (*path, "command"))
        if not command.strip():
            self._wrong(path, "has no command")
            return None
        return OwnCommand(
            name,
            command,
            self._words(table, (*path, "key")),
            self._words(table, (*path, "description")),
            self._flag(table, (*path, "confirm"), True),
            self._flag(table, (*path, "background"), False),
        )

    def _theme(self, name: str, table: dict[str, object]) -> ColourTheme | None:
        path = ("themes", name)
        if name in BUILT_IN:
            self._wrong(path, "is built in: choose another name, and this one as its base")
            return None
        base = BUILT_IN[self._one_of(table, (*path, "base"), list(BUILT_IN), "theme") or "dark"]
        colours = {}
        for role in ROLES:
            if role in table:
                colour = self._words(table, (*path, role)).lower()
                if is_colour(colour) or (role == "cursor" and colour == REVERSE and base.ansi):
                    colours[role] = colour
                else:
                    self._wrong(
                        (*path, role), "must be #rrggbb or a name of the terminal's colours"
                    )
        try:
            return derived(name, base, colours)
        except ValueError as error:
            self._wrong(path, str(error))
            return None

    def _keys(self) -> dict[str, tuple[str, ...]]:
        """Return the keys of actions, which may be written ``jobs.cancel`` with and without
        quotes.
        """
        found = {}
        for path, value in _flat(self._table("keys"), ()):
            keys = value if isinstance(value, list) else [value]
            if not keys or not all(isinstance(key, str) and key.strip() for key in keys):
                self._wrong(("keys", *path), 'must be a key such as "ctrl+x", or a list of keys')
            else:
                found[".".join(path)] = tuple(str(key).strip() for key in keys)
        return found

    def _notify(self) -> NotifyRules:
        table, default = self._table("notify"), NotifyRules()
        self._known(table, ("notify",), "notify")
        return NotifyRules(
            self._flag(table, ("notify", "message"), default.message),
            self._flag(table, ("notify", "bell"), default.bell),
            self._flag(table, ("notify", "desktop"), default.desktop),
            self._words(table, ("notify", "command")),
            self._query(table, ("notify", "failures")),
            self._number(table, ("notify", "every"), default.every, LEAST_EVERY, 86400.0),
        )

    def _instances(self) -> tuple[InstanceTab, ...]:
        value = self._tables.get("instances", [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            self._wrong(("instances",), "must be tables, [[instances]]")
            return ()
        found = []
        for number, table in enumerate(value):
            path = ("instances", number)
            self._known(table, path, "instances")
            uri = self._words(table, (*path, "uri"))
            if uri:
                found.append(InstanceTab(uri, self._words(table, (*path, "name"))))
            else:
                self._wrong(path, "has no uri")
        return tuple(found)
