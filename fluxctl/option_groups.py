"""Click options made in few words, so that a command's options can stand in groups that are told
apart by what they are for, and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from fluxctl.completions import Complete

F = TypeVar("F", bound=Callable[..., object])


def text_option(
    *names: str,
    metavar: str,
    text: str,
    hidden: bool = False,
    complete: Complete | None = None,
) -> click.Option:
    """Return an option with a value, None if it is not given; ``text`` is its help, which a
    ``hidden`` one does not show, and ``complete`` completes its value.
    """
    return click.Option(
        list(names), metavar=metavar, help=text, hidden=hidden, shell_complete=complete
    )


def list_option(
    *names: str, metavar: str, text: str, complete: Complete | None = None
) -> click.Option:
    """Return an option that may be given more than once; its value is a tuple."""
    return click.Option(
        list(names), metavar=metavar, help=text, multiple=True, shell_complete=complete
    )


def flag_option(*names: str, text: str, hidden: bool = False) -> click.Option:
    """Return an option without value; ``text`` is its help, which a ``hidden`` one does not
    show.
    """
    return click.Option(list(names), is_flag=True, help=text, hidden=hidden)


def with_options(options: Sequence[click.Option]) -> Callable[[F], F]:
    """Decorate a function that becomes a command: give it these options, in this order."""

    def decorate(function: F) -> F:
        # Decorators apply bottom-up; click reverses what they collected.
        collected: list[click.Parameter] = vars(function).setdefault("__click_params__", [])
        collected.extend(reversed(options))
        return function

    return decorate
