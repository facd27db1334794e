"""Values in output formats: how they are converted, and what their format specs may say.

Conversions besides Python's own: ``!D`` date and time (ISO 8601), ``!d`` date and time to be
formatted by a strftime(3) spec, ``!F`` Flux standard duration, ``!H`` hours, minutes and seconds. A
spec that ends in ``h`` shows a missing value as ``-``.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flux.duration import fsd
from flux.output_prefixes import cut, split_date_spec
from flux.time_text import ISO, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = frozenset(("", "0s", "0.0", "0:00:00", "1970-01-01T00:00:00", "None"))
"""What a value is taken for as missing, as text."""
_SPEC = re.compile(
    r"(?P<align>(?:.?[<>=^])?)[-+ ]?#?0?(?P<width>\d*)[,_]?"
    r"(?P<precision>(?:\.\d+)?)(?P<type>[a-zA-Z%]?)\Z"
)


class FormattedTime:
    """A time stamp whose format spec is a strftime(3) format; without one it shows as ISO 8601.

    After ``::`` the spec has the width and alignment of the text, where ``h`` shows a missing time
    as ``-``; such a time is empty, and not the epoch.
    """

    def __init__(self, timestamp: float) -> None:
        self.timestamp = timestamp

    def __format__(self, spec: str) -> str:
        how, shape = split_date_spec(spec)
        if shape and not self.timestamp:
            return format_value("", shape)
        text = time_text(self.timestamp, how or ISO)
        return format_value(text, shape) if shape else text

    def __str__(self) -> str:
        return format(self, "")


Number = float | str
"""A number, or its text; the empty string for none."""


def _seconds(value: Number | None) -> float:
    return float(value) if value not in ("", None) else 0.0


def _date(value: Number | None) -> str:
    seconds = _seconds(value)
    return time_text(seconds) if seconds else ""


def _hms(value: Number | None) -> str:
    given = _seconds(value)
    # What took some time took a second, as flux-core says it.
    minutes, seconds = divmod(1 if 0 < given < 1 else round(given), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{hours}:{minutes:02}:{seconds:02}"
    return text if not days else f"{days} day{'' if days == 1 else 's'}, {text}"


class Mark(str):
    """A mark, which is also there as a letter."""

    ascii: str

    __slots__ = ("ascii",)


class TerminalCode(str):
    """What a terminal acts on and does not show, such as a color; it is written as it is."""

    __slots__ = ()


class SignCodes(NamedTuple):
    """What begins the color of a sign for something good and for something bad, and what ends it;
    empty without color.
    """

    good: TerminalCode = TerminalCode()
    bad: TerminalCode = TerminalCode()
    off: TerminalCode = TerminalCode()


UNCOLORED: Final = SignCodes()


def mark_of(on: bool) -> Mark:
    """Return the sign for a person that something is on or off; its ``ascii`` is ``y`` or ``n``."""
    mark = Mark("✔" if on else "✗")
    mark.ascii = "y" if on else "n"
    return mark


def _percent(value: Any) -> str:
    """Return a share in percent, small ones with two digits behind the point."""
    if value == "":
        return ""
    percent = value * 100
    return f"{percent:.2f}%" if 0 < percent < 1 else f"{percent:.3g}%"


CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "D": _date,
    "d": lambda value: FormattedTime(_seconds(value)),
    "F": lambda value: fsd(_seconds(value)),
    "H": _hms,
    "s": str,
    "r": repr,
    "a": ascii,
    "P": _percent,
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
    """Apply a format spec, where a trailing ``h`` shows a missing value as ``-``, and a trailing
    ``+`` ends what the precision has cut off with a plus sign.

    Numbers formatted by a numeric spec stay numbers; a value that is an empty string ignores a
    numeric type.
    """
    if spec.endswith("+") and not isinstance(value, FormattedTime):
        return _format_cut(value, spec[:-1])
    if spec.endswith("h") and not isinstance(value, FormattedTime):
        text = str(value)
        return format("-" if text in MISSING else text, spec[:-1])
    if not isinstance(value, str | int | float | FormattedTime):
        value = str(value)
    try:
        return format(value, spec)
    except ValueError:
        if value == "" and spec:
            return format("", heading_spec(spec))
        raise


def _format_cut(value: object, spec: str) -> str:
    """Apply a format spec whose precision shows that it cuts."""
    match = _SPEC.match(spec.rstrip("h"))
    if match and match["precision"] and match["type"] in ("", "s"):
        text, most = str(value), int(match["precision"][1:])
        if len(text) > most:
            value = cut(text, most)
    return format_value(value, spec)


def heading_spec(spec: str) -> str:
    """Return the spec for a field's heading: width and alignment, and the precision of a string but
    not of a number.
    """
    match = _SPEC.match(spec.rstrip("h+"))
    if match is None:
        return ""
    align = match["align"].replace("=", ">")
    precision = match["precision"] if match["type"] in ("", "s") else ""
    return f"{align}{match['width']}{precision}"


class UtilFormatter(string.Formatter):
    """string.Formatter with the conversions and the ``h`` suffix of this module."""

    def convert_field(self, value: object, conv: str | None) -> object:
        """Apply a conversion; ValueError if it is unknown."""
        return convert_value(value, conv) if conv else value

    def format_field(self, value: object, spec: str) -> str:
        """Apply a format spec."""
        return format_value(value, spec)
