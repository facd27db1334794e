"""Actions of argparse that flux-core's list commands share: what to show, colors, yes or no
(flux.util of today's flux-core).
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Filtering(argparse.Action):
    """Notes in ``namespace.filtered`` that what is shown was chosen."""

    def note(self, namespace: argparse.Namespace, value: object) -> None:
        """Set the value, and that there is one."""
        setattr(namespace, self.dest, value)
        namespace.filtered = True


class FilterAction(_Filtering):
    """Stores a value by which entries are chosen."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        self.note(namespace, values)


class FilterActionUser(FilterAction):
    """Stores whose entries are shown, and notes that in ``namespace.filtereduser``, too."""

    def note(self, namespace: argparse.Namespace, value: object) -> None:
        """Set the value, and that there is one."""
        super().note(namespace, value)
        namespace.filtereduser = True


class FilterActionSetUpdate(_Filtering):
    """Adds the words of a list with commas to a set."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        # A new set: the default belongs to the parser.
        self.note(namespace, {*(getattr(namespace, self.dest) or ()), *str(values).split(",")})


class FilterTrueAction(_Filtering):
    """A flag by which entries are chosen."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        const: bool = True,
        default: bool = False,
        required: bool = False,
        help: str | None = None,  # noqa: A002 - argparse's name
        metavar: str | None = None,
    ) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=0,
            const=const,
            default=default,
            required=required,
            help=help,
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        self.note(namespace, self.const)


class YesNoAction(argparse.Action):
    """An option with the value ``yes`` or ``no``, stored as a bool; raises ValueError for another
    one.
    """

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        help: str | None = None,  # noqa: A002 - argparse's name
        metavar: str = "[yes|no]",
    ) -> None:
        super().__init__(option_strings, dest, help=help, metavar=metavar)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: object,
        option_string: str | None = None,
    ) -> None:
        if value not in ("yes", "no"):
            raise ValueError(f"{option_string} requires either 'yes' or 'no'")
        setattr(namespace, self.dest, value == "yes")


class ColorWhen(str):
    """When colors are used: ``always``, ``never`` or ``auto``."""

    __slots__ = ()

    @property
    def enabled(self) -> bool:
        """Whether they are used now: ``auto`` means on a terminal, unless NO_COLOR is set."""
        if self == "auto":
            return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return self == "always"


class ColorAction(argparse.Action):
    """The option ``--color[=WHEN]``, stored as a `ColorWhen`; ``always`` without WHEN."""

    ColorWhen = ColorWhen
    CHOICES: Final = ("never", "always", "auto")

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        nargs: str = "?",
        default: str = "auto",
        metavar: str = "WHEN",
        help: str = "Use color; WHEN can be 'never', 'always' or 'auto' (default)",  # noqa: A002
        **kwargs: Any,
    ) -> None:
        if os.environ.get("NO_COLOR") and default == "auto":
            default = "never"
        super().__init__(
            option_strings,
            dest,
            nargs=nargs,
            default=ColorWhen(default),
            metavar=metavar,
            help=help,
            **kwargs,
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        when = "always" if values is None else str(values)
        if when not in self.CHOICES:
            parser.error(f"Invalid argument to {option_string}: {when!r}")
        setattr(namespace, self.dest, ColorWhen(when))
