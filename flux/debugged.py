"""Whether a debugger is attached to this process through the MPIR interface (flux.debugged in the
manual).
"""

from __future__ import annotations

_being_debugged = 0


def get_mpir_being_debugged() -> int:
    """Return the value of MPIR_being_debugged: 1 while a parallel debugger controls the
    launcher.
    """
    return _being_debugged


def set_mpir_being_debugged(value: int) -> None:
    """Set MPIR_being_debugged, as a debugger or a test would."""
    global _being_debugged
    _being_debugged = int(value)
