"""What ``flux fortune`` says, for programs."""

from __future__ import annotations

from typing import Final

from fluxctl.fortunes import ART, FACTS, FUN, VALENTINES

fortunes: Final = list(FUN)
facts: Final = list(FACTS)
valentines: Final = list(VALENTINES)
art: Final = list(ART)
