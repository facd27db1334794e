"""Pieces of command lines for argparse, as flux-core's own commands use them (flux.util in the
manual).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Protocol

from flux.treedict import set_treedict
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.wire.json import JsonObject


class HelpFormatterFactory(Protocol):
    """What an ArgumentParser makes its formatter with."""

    def __call__(self, prog: str) -> argparse.HelpFormatter:
        """Return a formatter for a program's name."""


class CleanHelpFormatter(argparse.HelpFormatter):
    """Shows the value of an option once, ``-n, --nodes=N``, and long names below each other."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        text = ", ".join(action.option_strings)
        if action.nargs != 0:
            text += f"={self._format_args(action, action.dest.upper())}"
        return f"    {text}" if text.startswith("--") else text


class _RawHelpFormatter(CleanHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Leaves the lines of a description as they are, too."""


def help_formatter(argwidth: int = 40, raw_description: bool = False) -> HelpFormatterFactory:
    """Return a ``formatter_class`` for an ArgumentParser that gives options up to ``argwidth``
    columns; with ``raw_description`` the lines of the description stay as they are.
    """
    kind = _RawHelpFormatter if raw_description else CleanHelpFormatter
    return lambda prog: kind(prog, max_help_position=argwidth)


class TreedictAction(argparse.Action):
    """Collects arguments ``KEY=VALUE`` in a tree of dicts: periods in a key separate levels. A
    value is JSON or, if it is not, text.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        tree: JsonObject = getattr(namespace, self.dest, None) or {}
        words = [values] if isinstance(values, str) else values or ()
        for word in words:
            key, given, text = str(word).partition("=")
            if not given:
                parser.error(f"Missing required value for key {key}")
            set_treedict(tree, key, _value(text))
        setattr(namespace, self.dest, tree)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
