"""What an instrument found: faults, which must not be, and figures, which are to be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SHOWN = 40
"""Kinds of faults, and notes, printed."""


@dataclass
class Outcome:
    """The result of one run of one instrument.

    ``faults`` are sentences, one for each thing that went against a promise; ``figures`` are
    counts and measurements by name, in the order they were first set; ``notes`` count what is worth
    a look but broke no promise.
    """

    name: str
    seed: int
    faults: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Note something that is no fault but worth a look; the same text is counted."""
        self.notes[text] = self.notes.get(text, 0) + 1

    def fault(self, text: str) -> None:
        """Note something that must not be."""
        self.faults.append(text)

    def expect(self, holds: bool, text: str) -> bool:
        """Note ``text`` as a fault unless ``holds``; returns ``holds``."""
        if not holds:
            self.fault(text)
        return holds

    def count(self, name: str, by: float = 1) -> None:
        """Add to a figure."""
        self.figures[name] = self.figures.get(name, 0) + by

    def peak(self, name: str, value: float) -> None:
        """Raise a figure to ``value`` if it is lower."""
        self.figures[name] = max(self.figures.get(name, value), value)

    def set(self, name: str, value: float) -> None:
        """Set a figure."""
        self.figures[name] = value

    def lines(self) -> list[str]:
        """Return the report: the seed that repeats the run, figures, faults."""
        found = [f"{self.name}: seed {self.seed}, {len(self.faults)} faults"]
        found += [f"  {name}: {value:.6g}" for name, value in self.figures.items()]
        found += [f"  note ({times}x) {text}" for text, times in list(self.notes.items())[:SHOWN]]
        kinds = Counter(self.faults)
        found += [f"  FAULT ({times}x) {text}" for text, times in kinds.most_common(SHOWN)]
        if len(kinds) > SHOWN:
            found.append(f"  ... and {len(kinds) - SHOWN} more kinds")
        return found

    def verify(self) -> None:
        """Raise AssertionError with the whole report if there are faults."""
        assert not self.faults, "\n" + "\n".join(self.lines())
