"""Any unambiguous prefix of a long option, as getopt_long(3) and argparse take it.

The exact name of an option wins over options that it begins. A prefix of several names of one
option is not ambiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class OnAmbiguity(Protocol):
    """What is told of an ambiguous word; it raises."""

    def __call__(self, word: str, candidates: list[str]) -> NoReturn:
        """Raise for ``word``, which stands for any of ``candidates``."""


def candidates(word: str, names: Iterable[str]) -> list[str]:
    """Return the long options among ``names`` that ``word``, with its dashes, may stand for."""
    if not word.startswith("--") or len(word) == len("--"):
        return []
    found = [name for name in names if name.startswith(word)]
    return [word] if word in found else found


class LongOptions(dict[str, T], Generic[T]):
    """The long options of a parser by name, which are found by a prefix too."""

    def __init__(self, options: dict[str, T], on_ambiguity: OnAmbiguity) -> None:
        super().__init__(options)
        self._on_ambiguity = on_ambiguity

    def _full(self, word: str) -> str | None:
        found = candidates(word, self)
        if not found:
            return None
        first = self.get(found[0])
        if any(self.get(name) is not first for name in found[1:]):
            self._on_ambiguity(word, found)
        return found[0]

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and (
            super().__contains__(word) or self._full(word) is not None
        )

    def __missing__(self, word: str) -> T:
        full = self._full(word)
        if full is None:
            raise KeyError(word)
        return self[full]
