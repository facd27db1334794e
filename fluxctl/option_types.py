"""The types of options: numbers and durations, each read and refused in one way."""

from __future__ import annotations

from typing import Final, NoReturn

import click

from fluxctl.errors import CommandError
from fluxctl.numbers import BEYOND, integer, real

NOT_AN_INTEGER: Final = "is not a valid integer."
NOT_A_NUMBER: Final = "is not a valid number."
"""What is said of a value that is no number of its kind."""


class Integer(click.types.IntParamType):
    """An integer between two bounds, which an option's help does not spell out."""

    def __init__(self, least: int = -BEYOND, most: int = BEYOND) -> None:
        self.least = least
        self.most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number; fails as a usage error if it is not an integer or out of bounds."""
        number = value if isinstance(value, int) else integer(str(value))
        if number is None:
            self.refuse(str(value), param, ctx)
        if not self.least <= number <= self.most:
            self.out_of_range(str(value), param, ctx)
        return number

    def refuse(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        """Fail for what is not an integer."""
        self.fail(f"{text!r} {NOT_AN_INTEGER}", param, ctx)

    def out_of_range(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        """Fail for an integer that is out of bounds."""
        self.fail(f"{text} is out of range.", param, ctx)


class Real(click.types.FloatParamType):
    """A number with a fraction; what is too large, infinite or none is for the command to say."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; fails as a usage error if it is not one."""
        number = float(value) if isinstance(value, int | float) else real(str(value))
        if number is None:
            self.fail(f"{str(value)!r} {NOT_A_NUMBER}", param, ctx)
        return number


INTEGER = Integer()

#: a count in a request: 32 bits; the service says what it thinks of negative ones
COUNT = Integer(-0x80000000, 0x7FFFFFFF)

REAL = Real()


def duration(text: str, refusal: str, *, bare: bool = False) -> float:
    """Return the seconds of a Flux standard duration (RFC 23).

    Raises CommandError with ``refusal`` as its sentence, ``bare`` or not, for anything else.
    """
    from flux.duration import parse_fsd

    try:
        return float(parse_fsd(text))
    except ValueError:
        raise CommandError(refusal, bare=bare) from None
