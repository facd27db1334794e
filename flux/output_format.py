"""Output formats of the list commands: ``{id.f58:>12} {runtime!F:>8h}`` and the like.

A format is Python's str.format syntax over the fields of an object. It is parsed once: every row
then costs one attribute look-up, one conversion and one format() call per field.

Conversions besides Python's own: ``!D`` date and time (ISO 8601), ``!d`` date and time to be
formatted by a strftime(3) spec, ``!F`` Flux standard duration, ``!H`` hours, minutes and seconds. A
spec that ends in ``h`` shows a missing value as ``-``.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from flux.duration import fsd
from flux.terminal_text import terminal_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MISSING = frozenset(("", "0s", "0.0", "0:00:00", "1970-01-01T00:00:00", "None"))
"""What a value is taken for as missing, as text."""
_SPEC = re.compile(
    r"(?P<align>(?:.?[<>=^])?)[-+ ]?#?0?(?P<width>\d*)[,_]?"
    r"(?P<precision>(?:\.\d+)?)(?P<type>[a-zA-Z%]?)\Z"
)


class UtilDatetime:
    """A time stamp whose format spec is a strftime(3) format; without one it shows as ISO 8601."""

    def __init__(self, timestamp: float) -> None:
        self.timestamp = timestamp

    def __format__(self, spec: str) -> str:
        return time.strftime(spec or "%Y-%m-%dT%H:%M:%S", time.localtime(self.timestamp))

    def __str__(self) -> str:
        return format(self, "")


Number = float | str
"""A number, or its text; the empty string for none."""


def _seconds(value: Number | None) -> float:
    return float(value) if value not in ("", None) else 0.0


def _date(value: Number | None) -> str:
    seconds = _seconds(value)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds)) if seconds else ""


def _hms(value: Number | None) -> str:
    minutes, seconds = divmod(round(_seconds(value)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{hours}:{minutes:02}:{seconds:02}"
    return text if not days else f"{days} day{'' if days == 1 else 's'}, {text}"


CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "D": _date,
    "d": lambda value: UtilDatetime(_seconds(value)),
    "F": lambda value: fsd(_seconds(value)),
    "H": _hms,
    "s": str,
    "r": repr,
    "a": ascii,
}


def convert_value(value: Any, conversion: str) -> object:
    """Apply a ``!X`` conversion; ValueError if it is unknown."""
    convert = CONVERSIONS.get(conversion)
    if convert is None:
        raise ValueError(f"Unknown conversion specifier {conversion}")
    try:
        return convert(value)
    except (TypeError, ValueError):
        raise ValueError(f"Conversion {conversion} needs a number, not {value}") from None


def format_value(value: object, spec: str) -> str:
    """Apply a format spec, where a trailing ``h`` shows a missing value as ``-``.

    Numbers formatted by a numeric spec stay numbers; a value that is an empty string ignores a
    numeric type.
    """
    if spec.endswith("h") and not isinstance(value, UtilDatetime):
        text = str(value)
        return format("-" if text in MISSING else text, spec[:-1])
    if not isinstance(value, str | int | float | UtilDatetime):
        value = str(value)
    try:
        return format(value, spec)
    except ValueError:
        if value == "" and spec:
            return format("", heading_spec(spec))
        raise


def heading_spec(spec: str) -> str:
    """Return the spec for a field's heading: width and alignment, and the precision of a string but
    not of a number.
    """
    match = _SPEC.match(spec[:-1] if spec.endswith("h") else spec)
    if match is None:
        return ""
    align = match["align"].replace("=", ">")
    precision = match["precision"] if match["type"] in ("", "s") else ""
    return f"{align}{match['width']}{precision}"


class UtilFormatter(string.Formatter):
    """string.Formatter with the conversions and the ``h`` suffix of this module."""

    def convert_field(self, value: object, conversion: str | None) -> object:
        """Apply a conversion; ValueError if it is unknown."""
        return convert_value(value, conversion) if conversion else value

    def format_field(self, value: object, format_spec: str) -> str:
        """Apply a format spec."""
        return format_value(value, format_spec)


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
    """

    formatter: type[UtilFormatter] = UtilFormatter
    headings: Mapping[str, str] = {}

    def __init__(
        self,
        valid_headings: Mapping[str, str] | str,
        fmt: str | Mapping[str, str] | None = None,
        *,
        headings: Mapping[str, str] | None = None,
    ) -> None:
        given = [one for one in (valid_headings, fmt) if isinstance(one, str)]
        tables = [one for one in (valid_headings, fmt, headings) if isinstance(one, Mapping)]
        if len(given) != 1 or len(tables) > 1:
            raise TypeError("an OutputFormat is made of one format and one table of headings")
        fmt, valid_headings = given[0], tables[0] if tables else self.headings
        self.headings = valid_headings
        self.fmt = fmt
        self.format_list: list[tuple[str, str, str, str]] = [
            (text, name or "", spec or "", conversion or "")
            for text, name, spec, conversion in string.Formatter().parse(fmt)
        ]
        for name in self.fields:
            if name not in valid_headings:
                raise UnknownField(name)
        engine = self.formatter()
        self._cells = [
            (text, attrgetter(name) if name else None, spec, conversion)
            for text, name, spec, conversion in self.format_list
        ]
        self._convert = engine.convert_field
        self._format = engine.format_field

    @property
    def fields(self) -> list[str]:
        """The fields that the format names, in order."""
        return [name for _, name, _, _ in self.format_list if name]

    def get_format(self) -> str:
        """Return the format string that was parsed."""
        return self.fmt

    def header(self) -> str:
        """Return the line of column headings."""
        return "".join(self._header_cells())

    def _header_cells(self) -> Iterator[str]:
        for text, name, spec, conversion in self.format_list:
            yield text
            if name:
                yield format(self.headings[name], "" if conversion == "d" else heading_spec(spec))

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
                value = attrgetter(name)(obj)
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
                if conversion:
                    value = self._convert(value, conversion)
                if not isinstance(value, int | float | UtilDatetime):
                    value = terminal_line(str(value))
                parts.append(terminal_line(self._format(value, spec)))
        return "".join(parts)
