"""Client library of Flux: the Python API of the flux-core 0.29 manual, over the RFC 3 wire
protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.core.handle import Flux as Flux

__version__ = "0.1.0"
CORE_VERSION = "0.29.0"
"""The flux-core version whose interfaces this library, the command and the broker have."""


def __getattr__(name: str) -> type[Flux]:
    """Load ``flux.Flux`` on first use, so that importing a leaf module stays cheap."""
    if name == "Flux":
        from flux.core.handle import Flux

        return Flux
    raise AttributeError(f"module 'flux' has no attribute {name!r}")
