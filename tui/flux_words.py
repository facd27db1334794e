"""What the words of a ``flux`` sub-command may become: the command itself is asked, by the protocol
that shells use.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tui import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS: Final = 5.0
MOST: Final = 500
"""Choices that are kept of an answer."""
REMEMBERED: Final = 200
AGE: Final = 15.0
"""Seconds that an answer is good for: ids of jobs are among them."""


class FluxWord(NamedTuple):
    """A word and what there is to say of it."""

    word: str
    help: str = ""


class FluxWords:
    """Asks, and remembers the answers for a while."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[float, list[FluxWord]]] = {}

    def known(self, words: Sequence[str], uri: str) -> list[FluxWord] | None:
        """Return the choices for the last of ``words`` if they are known."""
        asked, choices = self._known.get((uri, *words), (0.0, None))
        return choices if time.monotonic() - asked < AGE else None

    async def choices(self, words: Sequence[str], uri: str) -> list[FluxWord]:
        """Return what the last of ``words`` may become; nothing if the command does not say.

        ``words`` begins with the name of the sub-command.
        """
        known = self.known(words, uri)
        if known is not None:
            return known
        env = processes.environment(
            uri,
            {
                "_FLUX_COMPLETE": "zsh_complete",
                "COMP_WORDS": " ".join(["flux", *map(_quoted, words)]),
                "COMP_CWORD": str(len(words)),
            },
        )
        try:
            text = await processes.output_of([processes.flux_program()], env, SECONDS)
        except OSError:  # a TimeoutError as well
            return []
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        found = choices_in(text)
        self._known[(uri, *words)] = (time.monotonic(), found)
        return found


def _quoted(word: str) -> str:
    """Return a word such that splitting it as shells do gives it back; one that is begun stays."""
    return shlex.quote(word) if word else ""


def choices_in(text: str) -> list[FluxWord]:
    """Return the choices in an answer: three lines for each, kind, word and help (``_`` for
    none).
    """
    lines = text.split("\n")
    found = []
    for kind, word, words in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        if kind == "plain" and word.isprintable():
            about = "" if words == "_" else words.removeprefix(f"{word} -- ")
            found.append(FluxWord(word, about))
    return found[:MOST]
