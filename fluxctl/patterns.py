"""Regular expressions on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.patterns import compiled
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    import re


def pattern(text: str, refusal: str) -> re.Pattern[str]:
    """Return a regular expression, compiled.

    Raises CommandError, which is ``refusal`` and what is wrong, if it cannot be.
    """
    try:
        return compiled(text)
    except ValueError as error:
        raise CommandError(f"{refusal}: {error}") from None
