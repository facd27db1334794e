"""URIs of Flux instances, and how other words become them (flux-uri(1)): `FluxURIResolver` finds
the instance of a job, of a process, or in a job of Slurm or LSF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.uri.uri import (
        URI as URI,
    )
    from flux.uri.uri import (
        FluxURIResolver as FluxURIResolver,
    )
    from flux.uri.uri import (
        JobURI as JobURI,
    )
    from flux.uri.uri import (
        URIResolverPlugin as URIResolverPlugin,
    )
    from flux.uri.uri import (
        URIResolverURI as URIResolverURI,
    )

__all__ = ["URI", "FluxURIResolver", "JobURI", "URIResolverPlugin", "URIResolverURI"]


def __getattr__(name: str) -> object:
    """Load the module of the classes when one of them is named first."""
    from importlib import import_module

    if name in ("resolvers", "uri"):
        return import_module(f"flux.uri.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'flux.uri' has no attribute {name!r}")
    found: object = getattr(import_module("flux.uri.uri"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
