"""``--color``, the same on every command that colors or lists: when there is color, and which.

Without the option there is color on a terminal, unless NO_COLOR is set (no-color.org) or the
terminal is dumb.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import click

if TYPE_CHECKING:
    from flux.output_values import SignCodes

F = TypeVar("F", bound=Callable[..., object])

WHEN: Final = ("never", "always", "auto")
RESET: Final = "\033[0;0m"

Role = Literal["", "good", "bad", "warn", "faint", "heading", "name", "time"]
"""What a color says; the empty one is the terminal's own."""

_CODES: Final[dict[str, str]] = {
    "good": "\033[01;32m",
    "bad": "\033[01;31m",
    "warn": "\033[33m",
    "faint": "\033[37m",
    "heading": "\033[01m",
    "name": "\033[33m",
    "time": "\033[32m",
}


def color_option(*names: str) -> Callable[[F], F]:
    """Return the decorator that gives a command ``--color``; ``names`` are further names."""
    return click.option(
        *names,
        "--color",
        type=click.Choice(WHEN),
        is_flag=False,
        flag_value="always",
        default="auto",
        help="Color the output: never, always or auto (the default).",
    )


def with_color_told(args: list[str], names: Sequence[str] = ("--color",)) -> list[str]:
    """Return arguments in which ``--color``, or another of its ``names``, does not take a word that
    is no value of it: such as the job id in ``flux job eventlog --color ID``.
    """
    found: list[str] = []
    for index, word in enumerate(args):
        if word == "--":
            return [*found, *args[index:]]
        alone = word in names and args[index + 1 : index + 2] not in [[when] for when in WHEN]
        found.append("--color=always" if alone else word)
    return found


def uses_color(when: str) -> bool:
    """Tell whether standard output is colored, with ``when`` as ``--color`` has it."""
    if when != "auto":
        return when == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def choose_color(when: str) -> None:
    """Have the dashboard of this process draw with or without colors, as ``--color`` says:
    Textual looks at NO_COLOR alone.
    """
    if when == "never":
        os.environ["NO_COLOR"] = "1"
    elif when == "always":
        os.environ.pop("NO_COLOR", None)


def painted(text: str, role: Role) -> str:
    """Return text in the color of a role, with the terminal's own after it."""
    code = _CODES.get(role, "")
    return f"{code}{text}{RESET}" if code and text else text


def begin(role: Role) -> str:
    """Return what turns a role's color on, empty for the terminal's own."""
    return _CODES.get(role, "")


def sign_codes(when: str) -> SignCodes:
    """Return the colors of signs in formats, with ``when`` as ``--color`` has it."""
    from flux.output_values import UNCOLORED, SignCodes, TerminalCode

    if not uses_color(when):
        return UNCOLORED
    return SignCodes(TerminalCode(begin("good")), TerminalCode(begin("bad")), TerminalCode(RESET))


class Paint:
    """Colors text, or does not, as ``--color`` has it."""

    def __init__(self, when: str) -> None:
        self._on = uses_color(when)

    def __bool__(self) -> bool:
        return self._on

    def __call__(self, text: str, role: Role) -> str:
        return painted(text, role) if self._on else text


PLAIN: Final = Paint("never")
"""Does not color."""
