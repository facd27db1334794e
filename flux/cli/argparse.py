"""The parser of the submission commands: one of argparse whose help is laid out as theirs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flux.command_options import help_formatter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class _HiddenNames(argparse._ActionsContainer):  # noqa: SLF001 - argparse has no other names
    """A parser or a group whose options may have names that its help does not tell."""

    def add_argument(
        self, *args: Any, hidden_aliases: Iterable[str] = (), **kwargs: Any
    ) -> argparse.Action:
        """Add an argument as argparse does; ``hidden_aliases`` are further names of it."""
        made = super().add_argument(*args, **kwargs)
        self._option_string_actions.update(dict.fromkeys(hidden_aliases, made))
        return made


class _Group(_HiddenNames, argparse._ArgumentGroup):  # noqa: SLF001 - as above
    """A group whose options may have hidden names."""


class _ExclusiveGroup(_HiddenNames, argparse._MutuallyExclusiveGroup):  # noqa: SLF001 - as above
    """A group of which one option may be given, which may have hidden names."""


class FluxArgumentParser(_HiddenNames, argparse.ArgumentParser):
    """An ``ArgumentParser`` that gives options up to ``argwidth`` columns.

    With ``posix`` options end at the first word that is not one, which is left over with all
    behind it; with ``raw_description`` the lines of description and epilog stay as they are. An
    argument may have ``hidden_aliases``, further names that its help does not tell.
    """

    def __init__(
        self,
        *args: Any,
        posix: bool = False,
        raw_description: bool = False,
        argwidth: int = 40,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("formatter_class", help_formatter(argwidth, raw_description))
        self._posix = posix
        super().__init__(*args, **kwargs)

    def add_argument_group(self, *args: Any, **kwargs: Any) -> argparse._ArgumentGroup:
        """Add a group as argparse does, whose arguments may have ``hidden_aliases``."""
        group = _Group(self, *args, **kwargs)
        self._action_groups.append(group)
        return group

    def add_mutually_exclusive_group(self, **kwargs: Any) -> argparse._MutuallyExclusiveGroup:
        """Add a group as argparse does, whose arguments may have ``hidden_aliases``."""
        group = _ExclusiveGroup(self, **kwargs)
        self._mutually_exclusive_groups.append(group)
        return group

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Parse as argparse does, with ``posix`` as far as options go."""
        import sys

        words = sys.argv[1:] if args is None else list(args)
        end = self._first_word(words) if self._posix else len(words)
        found, left = super().parse_known_args(words[:end], namespace)
        return found, [*left, *words[end:]]

    def _first_word(self, words: Sequence[str]) -> int:
        """Return where options end."""
        at = 0
        while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
            option = self._option_string_actions.get(words[at])
            at += 2 if option is not None and option.nargs is None else 1
        return min(at, len(words))
