"""What is asked before something other than a job is changed: a node, a queue, a module, a key."""

from __future__ import annotations

from typing import Final, NamedTuple

from tui.model import format as fmt

SHOWN: Final = 6
"""Things that a question names before it says how many more there are."""
TYPE_ABOVE: Final = 20
"""From more things than this on, the number has to be typed."""


class Intent(NamedTuple):
    """Whether to do ``verb`` (``Drain``) to the things called ``names``, each a ``noun``.

    ``prompt`` asks for a text (a reason, a value), ``given`` is what it begins with, and it may be
    empty if it is ``optional``. ``notes`` are what to know before answering.
    """

    verb: str
    noun: str
    names: tuple[str, ...]
    prompt: str = ""
    given: str = ""
    optional: bool = False
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The question."""
        return f"{self.action}?"

    @property
    def action(self) -> str:
        """What will be done: ``Drain node 3 (n3)``, ``Drain 12 nodes``."""
        if len(self.names) == 1:
            words = (self.verb, self.noun, self.names[0])
            return fmt.printable(" ".join(word for word in words if word))
        return f"{self.verb} {many(len(self.names), self.noun)}"

    @property
    def typing(self) -> bool:
        """Whether the number of things has to be typed."""
        return len(self.names) > TYPE_ABOVE

    def listing(self) -> list[str]:
        """Return the first of several things, a line each."""
        if len(self.names) == 1:
            return []
        lines = [fmt.printable(name) for name in self.names[:SHOWN]]
        if len(self.names) > SHOWN:
            lines.append(f"and {fmt.count(len(self.names) - SHOWN)} more")
        return lines

    def lacks(self, text: str, number: str) -> str:
        """Return what is missing before it can be done, empty if nothing is."""
        if self.prompt and not self.optional and not text.strip():
            return f"{self.prompt}: it may not be empty"
        if self.typing and number != str(len(self.names)):
            return f"type {len(self.names)} to go on"
        return ""


def many(number: int, noun: str) -> str:
    """Return ``1 node``, ``1,204 nodes``, ``2 entries``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeou" else f"{noun}s"
    return f"{fmt.count(number)} {noun if number == 1 else plural}"
