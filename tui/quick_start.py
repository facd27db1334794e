"""Loading less before the first picture."""

from __future__ import annotations

import gc
import sys
from typing import Final

SETTLED_SECONDS: Final = 1.0
"""How long after the first picture there is no search for garbage."""


def pause_garbage() -> None:
    """Have no search for garbage: what is made for the first picture is there to stay, and looking
    through it takes a tenth of the time.
    """
    gc.disable()


def resume_garbage() -> None:
    """Search for garbage again if it was paused, but not in what has been made until now."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def load_asyncio() -> None:
    """Load asyncio as it is on a Python that was built without TLS, unless it, or TLS, is there
    already: loading that takes longer than all of asyncio, and a dashboard speaks to sockets of
    this machine and to ``ssh``.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    missing: dict[str, object] = {"ssl": None}
    sys.modules.update(missing)  # type: ignore[arg-type]
    try:
        import asyncio  # noqa: F401 - for whoever imports it next
    finally:
        del sys.modules["ssl"]
