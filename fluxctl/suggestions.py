"""What may be meant by a mistyped word of the command line: an option, a choice, a field, a state.

It has a line of its own after the sentence about the word: ``flux-jobs: did you mean running?``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux


def nearest(word: str, choices: list[str]) -> str | None:
    """Return the choice that is most like a misspelt word, None if no choice is."""
    import difflib

    found = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?`` for the known word that is most like a mistyped one, for the
    line after the sentence about it; empty if none is.
    """
    near = nearest(word, sorted(set(known)))
    return f"did you mean {near}?" if near else ""


def for_a_person(hint: str) -> str:
    """Return a suggestion if somebody sees it, else nothing: for the commands of which flux-core's
    users have scripts that compare every line.
    """
    return hint if sys.stderr.isatty() else ""


def queue_suggestion(flux: Flux, wanted: Iterable[str]) -> str:
    """Return the suggestion for the first of some names of queues that there is not; empty if the
    broker does not tell which there are.
    """
    try:
        known: list[str] = flux.rpc("job-manager.queue-list").get()["queues"]
    except OSError:
        return ""
    return suggestion(next((name for name in wanted if name not in known), ""), known)
