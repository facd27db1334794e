"""Output formats of the list commands: ``{id.f58:>12} {runtime!F:>8h}`` and the like.

A format is Python's str.format syntax over the fields of an object. It is parsed once: every row
then costs one attribute look-up, one conversion and one format() call per field.
What values look like is in `flux.output_values`.
"""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flux.output_prefixes import (
    cut,
    sort_by,
    split_date_spec,
    split_mark,
    split_sort,
    unbounded,
    widened,
)
from flux.output_prefixes import sort_keys as known_sort_keys
from flux.output_values import (
    MISSING,
    FormattedTime,
    TerminalCode,
    UtilFormatter,
    heading_spec,
)
from flux.terminal_text import terminal_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

T = TypeVar("T")


def _columns(width: int) -> int:
    """Return how many columns there are; negative for no limit. 0 asks COLUMNS, then the terminal
    on stdout; where there is neither there is no limit.
    """
    if width:
        return width
    try:
        return int(os.environ.get("COLUMNS", "")) or -1
    except ValueError:
        pass
    try:
        return os.get_terminal_size().columns or -1
    except OSError:
        return -1


def _heading_spec(spec: str, conversion: str) -> str:
    """Return the spec of a field's heading, that of a date behind its strftime(3) format."""
    return heading_spec(split_date_spec(spec)[1] if conversion == "d" else spec)


def _format_text(cells: Iterable[tuple[str, str, str, str]]) -> str:
    """Return the format string of texts and fields."""
    parts = []
    for text, name, spec, conversion in cells:
        parts.append(text.replace("{", "{{").replace("}", "}}"))
        if name:
            how = f"!{conversion}" if conversion else ""
            parts.append(f"{{{name}{how}{':' if spec else ''}{spec}}}")
    return "".join(parts)


class UnknownField(ValueError):
    """A format names a field that there is not; ``field`` is its name."""

    def __init__(self, field: str) -> None:
        super().__init__(f"Unknown format field: {field}")
        self.field = field


class OutputFormat:
    """A parsed output format.

    ``valid_headings`` has every field that the format string ``fmt`` may name, with its column
    heading. As today's flux-core has it, the format may stand first, or alone: then
    ``headings`` has the fields, by default those of the class. Raises ValueError if the format is
    malformed or names an unknown field.

    ``prepend`` is what `get_format` has before each field, as flux-core's formats are those of
    str.format() with the object as first argument, ``0.``; it is empty here unless it is given.
    With ``nullify_expansion_sentinel`` fields with ``+:`` lose it and their spec there.

    ``sort:KEY,...`` at the beginning of the format and ``?:``, ``+:`` and ``?+:`` before its fields
    are for `print_items`, `sort_items` and `filter`. Without ``prefixes``, as in flux-core 0.29, no
    text is more than text.
    """

    formatter: type[UtilFormatter] = UtilFormatter
    headings: Mapping[str, str] = {}

    def __init__(
        self,
        valid_headings: Mapping[str, str] | str | None = None,
        fmt: str | Mapping[str, str] | None = None,
        prepend: str = "",
        nullify_expansion_sentinel: bool = False,
        *,
        headings: Mapping[str, str] | None = None,
        prefixes: bool = True,
    ) -> None:
        given = [one for one in (valid_headings, fmt) if isinstance(one, str)]
        tables = [one for one in (valid_headings, fmt, headings) if isinstance(one, Mapping)]
        if len(given) != 1 or len(tables) > 1:
            raise TypeError("an OutputFormat is made of one format and one table of headings")
        fmt, valid_headings = given[0], tables[0] if tables else self.headings
        self.headings = valid_headings
        self.original = fmt
        self._prepended = (prepend, nullify_expansion_sentinel)
        self.sort_keys, self.fmt = split_sort(fmt, valid_headings) if prefixes else ([], fmt)
        self.format_list: list[tuple[str, str, str, str]] = [
            (text, name or "", spec or "", conversion or "")
            for text, name, spec, conversion in string.Formatter().parse(self.fmt)
        ]
        for name in self.fields:
            if name not in valid_headings:
                raise UnknownField(name)
        engine = self.formatter()
        self._cells = [
            (text, self.getter(name) if name else None, spec, conversion)
            for text, name, spec, conversion in self.format_list
        ]
        self._convert = engine.convert_field
        self._format = engine.format_field

    @property
    def fields(self) -> list[str]:
        """The fields that the format names, in order."""
        return [name for _, name, _, _ in self.format_list if name]

    def get_format(self, orig: bool = False, include_sort_prefix: bool = True) -> str:
        """Return the format string, with the sort keys of now unless ``include_sort_prefix`` is
        false; with ``orig`` the one that was given.
        """
        prepend, nullify = self._prepended
        if orig:
            return self.original
        return self.get_format_prepended(prepend, None, include_sort_prefix, nullify)

    def get_format_prepended(
        self,
        prepend: str,
        except_fields: Collection[str] | None = None,
        include_sort_prefix: bool = True,
        nullify_expansion_sentinel: bool = False,
    ) -> str:
        """Return the format string with ``prepend`` before the name of each field, without some
        fields and the text before them; fields with ``+:`` lose it and their spec, too, with
        ``nullify_expansion_sentinel``.
        """
        cells = []
        for text, name, spec, conversion in self.format_list:
            marked = split_mark(text)
            if name and name in (except_fields or ()):
                continue
            if name and marked.widens and nullify_expansion_sentinel:
                text, spec = marked.text, ""
            cells.append((text, name and prepend + name, spec, conversion))
        return self._sort_prefix(include_sort_prefix) + _format_text(cells)

    def _sort_prefix(self, wanted: bool = True) -> str:
        return f"sort:{','.join(self.sort_keys)} " if self.sort_keys and wanted else ""

    def copy(
        self, except_fields: Collection[str] | None = None, nullify_expansion: bool = False
    ) -> Self:
        """Return a copy without some fields; fields with ``+:`` lose it and their spec with
        ``nullify_expansion``.
        """
        return self._like(self.get_format_prepended("", except_fields, True, nullify_expansion))

    def _like(self, fmt: str) -> Self:
        return type(self)(fmt, headings=self.headings)

    def header_format(self) -> str:
        """Return the format string of the headings: width and alignment, but no types."""
        return _format_text(
            (text, name, _heading_spec(spec, conversion), "")
            for text, name, spec, conversion in self.format_list
        )

    def header(self, width: int = -1) -> str:
        """Return the line of column headings, cut off at ``width`` columns; 0 is the width of the
        terminal, a negative one no limit.
        """
        return cut("".join(self._header_cells()), _columns(width))

    def set_sort_keys(self, sort_keys: str) -> None:
        """Sort by other keys, with commas between them and ``-`` before those for falling order.
        Raises ValueError for one that is not a field.
        """
        self.sort_keys = known_sort_keys(sort_keys, self.headings)

    def sort_items(self, items: list[T]) -> list[T]:
        """Sort a list in place by the sort keys, and return it."""
        return sort_by(items, self.sort_keys)

    def filter(self, items: Iterable[object], no_header: bool = False) -> str:
        """Return the format string for some items: without the fields marked ``?:`` that are empty
        in all of them, and with those marked ``+:`` as wide as the widest of the values and, unless
        ``no_header``, the heading. Raises ValueError as `format` does.
        """
        rows = list(items)
        cells = []
        for text, name, spec, conversion in self.format_list:
            marked = split_mark(text) if name else None
            if marked is None or not (marked.goes_if_empty or marked.widens):
                cells.append((text, name, spec, conversion))
                continue
            values = [self._value_text(row, name, spec, conversion) for row in rows]
            if marked.goes_if_empty and all(value in MISSING for value in values):
                continue
            if marked.widens:
                heading = 0 if no_header else len(self.headings[name])
                spec = widened(spec, max((heading, *map(len, values))))
            cells.append((marked.text, name, spec, conversion))
        return self._sort_prefix() + _format_text(cells)

    @property
    def needs_all(self) -> bool:
        """Whether a line depends on all the items: they are sorted, or a field is marked."""
        return bool(self.sort_keys) or any(
            name and split_mark(text) != (text, False, False)
            for text, name, _, _ in self.format_list
        )

    def settled(self, items: Iterable[object], no_header: bool = False) -> Self:
        """Return the format for some items, as `filter` says it, without prefixes. Raises
        ValueError as `format` does.
        """
        made = self._like(self.filter(items, no_header))
        made.sort_keys = []
        return made

    def unmarked(self) -> Self:
        """Return the format without prefixes, with all its fields as wide as they say: for items
        that are not known yet.
        """
        cells = [
            (split_mark(text).text if name else text, name, spec, conversion)
            for text, name, spec, conversion in self.format_list
        ]
        return self._like(_format_text(cells))

    def _value_text(self, row: object, name: str, spec: str, conversion: str) -> str:
        """Return a value as it is without a width."""
        value = self.getter(name)(row)
        if conversion:
            value = self._convert(value, conversion)
        return terminal_line(self._format(value, unbounded(spec)).strip())

    def print_items(
        self,
        items: Iterable[T],
        no_header: bool = False,
        width: int = -1,
        pre: Callable[[T], object] | None = None,
        post: Callable[[T], object] | None = None,
    ) -> None:
        """Print items to stdout as the format says, sorted, and the headings first unless
        ``no_header``; lines are cut off as by `header`. ``pre(item)`` and ``post(item)`` are called
        before and after each line. Raises ValueError as `format` does.
        """
        rows = self.sort_items(list(items))
        layout = self.settled(rows, no_header)
        columns = _columns(width)
        if not no_header:
            print(layout.header(columns))
        for row in rows:
            if pre is not None:
                pre(row)
            print(cut(layout.format(row), columns))
            if post is not None:
                post(row)

    def _header_cells(self) -> Iterator[str]:
        for text, name, spec, conversion in self.format_list:
            yield text
            if name:
                yield format(self.headings[name], _heading_spec(spec, conversion))

    def getter(self, name: str) -> Callable[[Any], Any]:
        """Return what gets the field of a name from an object."""
        return attrgetter(name)

    def format(self, obj: object) -> str:
        """Return the line of an object that has the format's fields as attributes, fit for a
        terminal. Raises ValueError if a conversion is unknown or a spec does not fit the value.
        """
        parts = []
        for text, getter, spec, conversion in self._cells:
            if text:
                parts.append(text)
            if getter is not None:
                value = getter(obj)
                if conversion:
                    value = self._convert(value, conversion)
                parts.append(self._format(value, spec))
        line = "".join(parts)
        return line if line.isprintable() else self._format_cleaned(obj)

    def format_without(self, obj: object, names: Collection[str]) -> str:
        """Return the line of an object but for the fields of some names; raises ValueError as
        `format`.
        """
        parts = []
        for text, name, spec, conversion in self.format_list:
            parts.append(text)
            if name and name not in names:
                value = self.getter(name)(obj)
                parts.append(
                    self._format(self._convert(value, conversion) if conversion else value, spec)
                )
        return "".join(parts)

    def _format_cleaned(self, obj: object) -> str:
        """Return the line with what is not fit for a terminal escaped in each value; the format's
        own text stays as it is.
        """
        parts = []
        for text, getter, spec, conversion in self._cells:
            parts.append(text)
            if getter is not None:
                value = getter(obj)
                if isinstance(value, TerminalCode):
                    parts.append(value)
                    continue
                if conversion:
                    value = self._convert(value, conversion)
                if not isinstance(value, int | float | FormattedTime):
                    value = terminal_line(str(value))
                parts.append(terminal_line(self._format(value, spec)))
        return "".join(parts)
