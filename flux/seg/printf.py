"""Formats of printf(3): C's flags, widths, precisions, lengths and conversions, but for ``%p``,
``%a`` and ``%n``, which have no place in the protocol. No I/O.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flux.seg.errors import SegError, SegErrorType

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONVERSION = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\d+|\*)?(?P<point>\.(?P<precision>\d+|\*)?)?"
    r"(?P<length>hh|h|ll|l|q|j|z|t|L)?(?P<kind>[diouxXcsfFeEgG%])"
)
_BITS: Final = {"hh": 8, "h": 16, "": 32, "l": 64, "ll": 64, "q": 64, "j": 64, "z": 64, "t": 64}
_REALS: Final = "fFeEgG"
WIDTH_MAX: Final = 4096


def printf(template: str | None, arguments: tuple[object, ...]) -> str:
    """Return what printf(3) would print.

    Raises SegError: NULL without a format or for a NULL string, INVALID_FORMAT for a conversion
    that C does not have, or whose argument is missing, of another type or too large, and for
    arguments that no conversion takes.
    """
    if template is None:
        raise SegError(SegErrorType.NULL, "the format")
    if not isinstance(template, str):
        raise TypeError(f"a format is a string, not {type(template).__name__}")
    given = iter(arguments)
    parts: list[str] = []
    at = 0
    while (percent := template.find("%", at)) >= 0:
        found = _CONVERSION.match(template, percent)
        if found is None:
            raise _invalid(f"no conversion of C at {template[percent : percent + 8]!r}")
        parts += (template[at:percent], _converted(found, given))
        at = found.end()
    if next(given, given) is not given:
        raise _invalid("more arguments than conversions")
    return "".join((*parts, template[at:]))


def _converted(found: re.Match[str], given: Iterator[object]) -> str:
    kind, length = found["kind"], found["length"] or ""
    if kind == "%":
        if found[0] != "%%":
            raise _invalid(f"{found[0]} is no conversion")
        return "%"
    flags = found["flags"]
    width = _size(found["width"], given)
    if width is not None and width < 0:  # as a - flag and a positive width
        flags, width = flags + "-", -width
    precision = _size(found["precision"] or ("0" if found["point"] else None), given)
    if precision is not None and precision < 0:  # as if there were none
        precision = None
    value = next(given, given)
    if value is given:
        raise _invalid(f"no argument for {found[0]}")
    if kind in "sc":
        return _text(found[0], kind, length, value, flags, width, precision)
    if kind in _REALS:
        return _real(found[0], kind, length, value, _form(flags, width, precision))
    return _whole(found[0], kind, length, value, flags, width, precision)


def _text(
    spec: str,
    kind: str,
    length: str,
    value: object,
    flags: str,
    width: int | None,
    precision: int | None,
) -> str:
    if length:
        raise _invalid(f"{spec}: wide characters are not of the protocol")
    if kind == "c":
        if type(value) is int and 0 < value < 128:
            value = chr(value)
        if not isinstance(value, str) or len(value) != 1:
            raise _invalid(f"{spec} takes a character")
        precision = None
    if value is None:
        raise SegError(SegErrorType.NULL, f"the argument of {spec}")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise _invalid(f"{spec} takes a string, not {type(value).__name__}")
    text = value if precision is None else value[:precision]
    return text.ljust(width or 0) if "-" in flags else text.rjust(width or 0)


def _real(spec: str, kind: str, length: str, value: object, form: str) -> str:
    if length not in ("", "l", "L"):
        raise _invalid(f"{spec} has a length of integers")
    if type(value) is bool or not isinstance(value, float | int):
        raise _invalid(f"{spec} takes a number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        raise _invalid(f"{spec}: the number is too large") from None
    return f"%{form}{kind}" % number


def _whole(
    spec: str,
    kind: str,
    length: str,
    value: object,
    flags: str,
    width: int | None,
    precision: int | None,
) -> str:
    if length == "L":
        raise _invalid(f"{spec} has a length of reals")
    if type(value) is bool or not isinstance(value, int):
        raise _invalid(f"{spec} takes an integer, not {type(value).__name__}")
    bits = _BITS[length]
    least, most = -(1 << bits - 1), (1 << bits) - 1
    signed = kind in "di"
    if not least <= value <= (most >> 1 if signed else most):
        raise _invalid(f"{spec}: {value} does not fit its {bits} bits")
    if not signed and value < 0:
        value += most + 1
    digits = f"{abs(value):{'d' if kind in 'diu' else kind}}"
    digits = "" if precision == 0 and value == 0 else digits.rjust(precision or 0, "0")
    if kind == "o" and "#" in flags and not digits.startswith("0"):
        digits = "0" + digits
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    prefix = sign if signed else "0" + kind if "#" in flags and kind in "xX" and value else ""
    if "-" in flags:
        return (prefix + digits).ljust(width or 0)
    if "0" in flags and precision is None:
        return prefix + digits.rjust((width or 0) - len(prefix), "0")
    return (prefix + digits).rjust(width or 0)


def _form(flags: str, width: int | None, precision: int | None) -> str:
    size = "" if width is None else str(width)
    return flags + size + ("" if precision is None else f".{precision}")


def _size(text: str | None, given: Iterator[object]) -> int | None:
    """Return a width or precision, which may be an argument."""
    if text is None:
        return None
    size = next(given, given) if text == "*" else int(text)
    if type(size) is not int or abs(size) > WIDTH_MAX:
        raise _invalid("a width or precision is no integer of a reasonable size")
    return size


def _invalid(detail: str) -> SegError:
    return SegError(SegErrorType.INVALID_FORMAT, detail)
