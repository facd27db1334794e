"""Environments of jobs, kept once: jobs submitted together have the same one, and it is most of a
jobspec.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

_KEPT: Final = 256


class EnvironmentPool:
    """Replaces equal environments by one shared object. Jobs' own references keep it alive; the
    pool remembers the latest ones.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, JsonObject] = OrderedDict()

    def share(self, jobspec: JsonObject) -> JsonObject:
        """Return ``jobspec``, its environment replaced by an equal one seen before."""
        system = (jobspec.get("attributes") or {}).get("system")
        environment = system.get("environment") if isinstance(system, dict) else None
        if not isinstance(system, dict) or not isinstance(environment, dict):
            return jobspec
        key = json.dumps(environment)
        shared = self._known.get(key)
        if shared is None:
            self._known[key] = environment
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
            system["environment"] = shared
        return jobspec
