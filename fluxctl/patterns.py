"""Regular expressions on a command line."""

from __future__ import annotations

import re
import warnings

from fluxctl.errors import CommandError


def pattern(text: str, refusal: str) -> re.Pattern[str]:
    """Return a regular expression, compiled.

    Raises CommandError, which is ``refusal`` and what is wrong, if it cannot be.
    """
    try:
        with warnings.catch_warnings():
            # They are meant for those who write programs, and name our own line.
            warnings.simplefilter("ignore")
            return re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f", at character {error.pos + 1}"
        raise CommandError(f"{refusal}: {error.msg}{where}") from None
    except OverflowError:
        raise CommandError(f"{refusal}: a number in it is too large") from None
    except RecursionError:
        raise CommandError(f"{refusal}: it is nested too deeply") from None
