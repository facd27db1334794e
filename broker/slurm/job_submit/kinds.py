"""What a field of ``job_desc`` holds: texts, and numbers of C's widths with the value that stands
for "not set". Values that a script assigns are taken as slurmctld takes them.
"""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

from broker.slurm.constants import NO_VAL, NO_VAL16, NO_VAL64

Value: TypeAlias = str | int | float | bool | None
"""What scripts read and assign."""

_TYPE_NAMES: Final = {type(None): "nil", bool: "boolean", str: "string", dict: "table"}


class WrongType(TypeError):
    """A value of a type that the field does not take; the text says which it takes."""


class Kind(Struct, frozen=True):
    """A type of field: its name in the documentation, what it takes, what is read of one that is
    not set.
    """

    name: str
    take: Callable[[object], Value]
    unset: Value = None


def type_name(value: object) -> str:
    """Return what Lua calls the type of a value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return _TYPE_NAMES.get(type(value), "userdata")


def number_text(value: float) -> str:
    """Return a number as Lua 5.1 writes it."""
    if isinstance(value, int) and abs(value) < 10**14:
        return str(value)
    return f"{value:.14g}"


def text(value: object) -> str | None:
    """Return a text; numbers become texts, the empty one stands for none. Raises WrongType."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    if not isinstance(value, str):
        raise WrongType(f"string expected, got {type_name(value)}")
    return value.partition("\0")[0] or None


def number(value: object) -> float:
    """Return a number; texts that are numbers become such. Raises WrongType."""
    if isinstance(value, str):
        try:
            return int(value, 16) if value.strip().lower().startswith("0x") else float(value)
        except ValueError:
            raise WrongType("number expected, got string") from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongType(f"number expected, got {type_name(value)}")
    return value


def _whole(value: float, bits: int) -> int:
    """Return a number cut to an integer of so many bits; what does not fit becomes the least."""
    least = -(1 << (bits - 1))
    if math.isnan(value) or not least <= value < -least:
        return least
    return int(value)


def unsigned(width: int) -> Callable[[object], int]:
    """Return what takes a number into an unsigned field of ``width`` bits, as C casts doubles."""

    def take(value: object) -> int:
        given = number(value)
        if width == 64 and given >= 1 << 63:
            return min(int(given), (1 << 64) - 1) if math.isfinite(given) else 1 << 63
        return _whole(given, 32 if width < 32 else 64) & ((1 << width) - 1)

    return take


def _time(value: object) -> int:
    return _whole(number(value), 64)


def _signed(value: object) -> int:
    taken = unsigned(32)(value)
    return taken if taken == NO_VAL else (taken ^ 0x80000000) - 0x80000000


def anything(value: object) -> Value:
    """Return a value of any simple type; raises WrongType."""
    if value is None or isinstance(value, str | int | float | bool):
        return value or None if isinstance(value, str) else value
    raise WrongType(f"string or number expected, got {type_name(value)}")


TEXT: Final = Kind("string", text)
U8: Final = Kind("uint8", unsigned(8), 0)
U16: Final = Kind("uint16", unsigned(16), NO_VAL16)
U16_ZERO: Final = Kind("uint16", unsigned(16), 0)
U32: Final = Kind("uint32", unsigned(32), NO_VAL)
U64: Final = Kind("uint64", unsigned(64), NO_VAL64)
U64_ZERO: Final = Kind("uint64", unsigned(64), 0)
MEMORY: Final = Kind("uint64", unsigned(64), None)
S32: Final = Kind("int32", _signed, NO_VAL)
TIME: Final = Kind("time", _time, 0)
BOOLEAN: Final = Kind("boolean", anything, False)
TABLE: Final = Kind("table", anything)
ANY: Final = Kind("any", anything)
