"""Loading less before the first picture."""

from __future__ import annotations

import sys


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
