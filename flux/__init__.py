"""Client library of Flux: the Python API of the flux-core 0.29 manual, over the RFC 3 wire
protocol.

``import flux`` is enough to reach ``flux.Flux`` and the modules of the package, ``flux.job.submit``
for instance: they are loaded when they are first named.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from flux import (
        aio as aio,
        constants as constants,
        content as content,
        core as core,
        future as future,
        hostlist as hostlist,
        idset as idset,
        job as job,
        kvs as kvs,
        memoized_property as memoized_property,
        message as message,
        progress as progress,
        queue as queue,
        resource as resource,
        rpc as rpc,
        security as security,
        uri as uri,
        util as util,
    )
    from flux.core.handle import Flux as Flux

# Others may add ``flux.X`` from a folder of their own. `pkgutil.extend_path` does that too, for
# four times what all of this module costs.
__path__ += [
    folder
    for folder in (os.path.join(entry, "flux") for entry in sys.path if os.path.isabs(entry))
    if folder not in __path__ and os.path.isdir(folder)
]

__version__ = "0.1.0"
CORE_VERSION = "0.29.0"
"""The flux-core version whose interfaces this library, the command and the broker have."""

SUBMODULES = frozenset(
    {
        *("aio", "constants", "content", "core", "future", "hostlist", "idset", "job", "kvs"),
        *("memoized_property", "message", "progress", "queue", "resource", "rpc", "security"),
        *("uri", "util"),
    }
)
"""What is reached as an attribute without an import of its own."""


def __getattr__(name: str) -> type[Flux] | ModuleType:
    """Load ``flux.Flux`` and the modules on first use, so that importing a leaf module stays
    cheap.
    """
    if name == "Flux":
        from flux.core.handle import Flux

        return Flux
    if name in SUBMODULES:
        return importlib.import_module(f"flux.{name}")
    raise AttributeError(f"module 'flux' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *SUBMODULES, "Flux"})
