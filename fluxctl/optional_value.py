"""Options whose value may be left out: ``--verbose`` or ``--verbose=2``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.parser import _OptionParser, _ParsingState


class OptionalValue(click.Option):
    """An option that means ``implied`` where it stands without a value.

    The next word is never its value, unlike with click's own, so that it can stand before
    arguments; if ``greedy``, it is unless it begins with a dash, as argparse reads such options.
    ``text`` is its help, ``kind`` the type of its value, by default text.
    """

    def __init__(
        self,
        *names: str,
        implied: str,
        metavar: str,
        text: str,
        kind: click.types.IntParamType | None = None,
        greedy: bool = False,
    ) -> None:
        super().__init__(list(names), metavar=metavar, help=text, type=kind)
        self.implied = implied
        self.greedy = greedy

    def add_to_parser(self, parser: _OptionParser, ctx: click.Context) -> None:
        """Have the parser see the implied value where there is none; it has no hook for this."""
        super().add_to_parser(parser, ctx)
        match_long, match_short = parser._match_long_opt, parser._match_short_opt  # noqa: SLF001

        def long(name: str, value: str | None, state: _ParsingState) -> None:
            # A short option is looked for here first, and must not lose its word yet.
            named = name.startswith("--") and any(mine.startswith(name) for mine in self.opts)
            if value is None and named:
                value = self._next(state.rargs)
            match_long(name, value, state)

        def short(word: str, state: _ParsingState) -> None:
            if word in self.opts:
                state.rargs.insert(0, self._next(state.rargs))
            match_short(word, state)

        vars(parser).update(_match_long_opt=long, _match_short_opt=short)

    def _next(self, words: list[str]) -> str:
        """Take the value from the words to come, if it is there."""
        if self.greedy and words and not words[0].startswith("-"):
            return words.pop(0)
        return self.implied
