"""The resources that ``resource.config`` in a file describes (flux-config-resource(5)), without an
instance that reads it: ranks are the places of hosts in the order in which they are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.constraint.match import check_property
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.resource.Rlist import Rlist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.wire.json import JsonObject


def configured_resources(tables: JsonObject) -> Rlist:
    """Return the resources of a configuration; what an element says counts more than what those
    before it did. Raises ValueError if it describes none, or is malformed.
    """
    resource = tables.get("resource")
    if not isinstance(resource, dict) or "config" not in resource:
        raise ValueError("resource.config must be defined")
    elements = resource["config"]
    if not isinstance(elements, list) or not elements:
        raise ValueError("resource.config: no hosts configured")
    children: dict[str, dict[str, str]] = {}
    properties: dict[str, list[str]] = {}
    for index, element in enumerate(elements):
        try:
            hosts, found, names = _read(element)
        except ValueError as exc:
            raise ValueError(f"config[{index}]: {exc}") from None
        for host in hosts:
            children.setdefault(host, {}).update(found)
            properties.setdefault(host, []).extend(names)
    return _made(children, properties)


def _made(children: dict[str, dict[str, str]], properties: dict[str, list[str]]) -> Rlist:
    made = Rlist()
    for rank, (host, found) in enumerate(children.items()):
        if "cores" not in found:
            raise ValueError(f"resource.config: {host} assigned no resources")
        made.add_rank(rank, host, found["cores"])
        if "gpus" in found:
            made.add_child(rank, "gpu", found["gpus"])
        for name in properties[host]:
            made.set_property(name, str(rank))
    return made


def _read(element: object) -> tuple[Hostlist, dict[str, str], Sequence[str]]:
    """Return the hosts, resources and properties of an element; raises ValueError."""
    if not isinstance(element, dict):
        raise ValueError("it is no table")
    text = element.get("hosts")
    if not isinstance(text, str):
        raise ValueError("hosts is missing" if text is None else "hosts is no hostlist")
    try:
        hosts = Hostlist(text)
    except ValueError:
        raise ValueError(f"invalid hostlist '{text}'") from None
    found: dict[str, str] = {}
    for key in ("cores", "gpus"):
        if key in element:
            found[key] = _ids(key, element[key])
    names = element.get("properties", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("properties is no list of words")
    for name in names:
        check_property(name)
    return hosts, found, names


def _ids(key: str, value: object) -> str:
    try:
        ids = IDset(value) if isinstance(value, str) else IDset()
    except ValueError:
        ids = IDset()
    if not ids:
        raise ValueError(f"invalid idset {key}='{value}'")
    return ids.encode()
