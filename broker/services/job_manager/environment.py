"""Parts of jobspecs that are kept once: jobs submitted together have the same environment, which is
most of a jobspec, and often all attributes and resources.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Hashable

    from flux.wire.json import JsonObject

KEPT: Final = 256
T = TypeVar("T")


class _Latest(Generic[T]):
    """The objects that were seen last, by what they are equal in."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, T] = OrderedDict()

    def same(self, key: Hashable, new: T) -> tuple[T, bool]:
        """Return the object that was seen before with ``key``, else ``new``, and which it is."""
        shared = self._known.get(key)
        if shared is not None:
            self._known.move_to_end(key)
            return shared, True
        self._known[key] = new
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return new, False


class EnvironmentPool:
    """Replaces equal environments, attributes and resources by one shared object, which nobody
    changes any more. Jobs' own references keep it alive; the pool remembers the latest ones.
    """

    def __init__(self) -> None:
        self._environments: _Latest[JsonObject] = _Latest()
        self._attributes: _Latest[JsonObject] = _Latest()
        self._resources: _Latest[object] = _Latest()
        self._parts: _Latest[JsonObject] = _Latest()

    def share(self, jobspec: JsonObject) -> JsonObject:
        """Replace parts of ``jobspec`` by equal ones seen before; returns the members that others
        have, too, as an object that those share as well.
        """
        shared: JsonObject = {}
        attributes, resources = jobspec.get("attributes"), jobspec.get("resources")
        if isinstance(attributes, dict):
            attributes, known = self._attributes.same(self._key(attributes), attributes)
            jobspec["attributes"] = attributes
            if known:
                shared["attributes"] = attributes
        if resources:
            resources, known = self._resources.same(json.dumps(resources), resources)
            jobspec["resources"] = resources
            if known:
                shared["resources"] = resources
        return self._parts.same(tuple((key, id(it)) for key, it in shared.items()), shared)[0]

    def _key(self, attributes: JsonObject) -> Hashable:
        """Return what equal attributes are equal in, their environment replaced by a shared one.

        The environment counts by its identity: attributes that are remembered keep theirs alive.
        """
        system = attributes.get("system")
        environment = system.get("environment") if isinstance(system, dict) else None
        if not isinstance(system, dict) or not isinstance(environment, dict):
            return json.dumps(attributes)
        environment, _ = self._environments.same(json.dumps(environment), environment)
        system["environment"] = None
        rest = json.dumps(attributes)
        system["environment"] = environment
        return rest, id(environment)
