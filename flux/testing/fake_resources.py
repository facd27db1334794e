"""Resources that are not there, for tests and benchmarks of schedulers (flux.testing.fake_resources
of today's flux-core).
"""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol, cast

from flux.importer import import_path
from flux.resource.Rlist import Rlist
from flux.wire import json

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.wire.json import JsonObject

KEY: Final = "resource.R"
"""Where the resource module looks for resources when it is loaded."""


class Amender(Protocol):
    """What changes a resource set (RFC 20) before it is installed, in place or not."""

    def __call__(self, R: JsonObject, /, hwloc_xml: str | None = None) -> JsonObject:  # noqa: N803
        """Return the resource set that is to be installed."""


def load_amender(spec: str) -> Amender:
    """Return the function that ``MODULE:NAME`` names, or the one called ``amend`` of a file.

    Raises RuntimeError if there is none.
    """
    module, colon, name = spec.partition(":")
    try:
        if colon:
            found = getattr(importlib.import_module(module), name, None)
        else:
            name, found = "amend", getattr(import_path(spec), "amend", None)
    except FileNotFoundError:
        raise RuntimeError(f"[fake-resources] amend-r: file not found: {spec!r}") from None
    except Exception as error:
        what = f"module {module!r}" if colon else f"file {spec!r}"
        raise RuntimeError(f"[fake-resources] amend-r: failed to import {what}: {error}") from error
    if not callable(found):
        where = f"module {module!r}" if colon else f"file {spec!r}"
        kind = "no attribute" if found is None else "no function"
        raise RuntimeError(f"[fake-resources] amend-r: {where} has {kind} {name!r}")
    return cast("Amender", found)


def saturation_count(
    nodes: int, cores_per_node: int, gpus_per_node: int, slot_cores: int = 1, slot_gpus: int = 0
) -> int:
    """Return how many slots of some cores and GPUs there are on equal nodes.

    Raises ValueError for a slot of nothing.
    """
    if slot_cores <= 0 and slot_gpus <= 0:
        raise ValueError("slot_cores or slot_gpus must be positive")
    fits = []
    if slot_cores > 0:
        fits.append(cores_per_node // slot_cores)
    if slot_gpus > 0:
        fits.append(gpus_per_node // slot_gpus)
    return nodes * min(fits)


class FakeResources(ABC):
    """Equal nodes: how many, and the cores and GPUs of each; hosts are called ``host_prefix`` and a
    number.

    ``amender`` changes the resource set before it is installed: a function, or what `load_amender`
    takes. Raises ValueError for a number that cannot be, RuntimeError as `load_amender` does.
    """

    def __init__(
        self,
        nodes: int,
        cores_per_node: int = 1,
        gpus_per_node: int = 0,
        host_prefix: str = "fake",
        amender: Amender | str | None = None,
    ) -> None:
        if nodes < 1 or cores_per_node < 0 or gpus_per_node < 0:
            raise ValueError("there is at least one node, and no negative number of anything")
        self.nodes = nodes
        self.cores_per_node = cores_per_node
        self.gpus_per_node = gpus_per_node
        self.host_prefix = host_prefix
        self.amender = load_amender(amender) if isinstance(amender, str) else amender

    @property
    def total_cores(self) -> int:
        """The cores of all nodes."""
        return self.nodes * self.cores_per_node

    @property
    def total_gpus(self) -> int:
        """The GPUs of all nodes."""
        return self.nodes * self.gpus_per_node

    def saturation_count(self, slot_cores: int = 1, slot_gpus: int = 0) -> int:
        """Return how many slots of some cores and GPUs there are; see `saturation_count`."""
        return saturation_count(
            self.nodes, self.cores_per_node, self.gpus_per_node, slot_cores, slot_gpus
        )

    def encode(self, hwloc_xml: str | None = None) -> JsonObject:
        """Return the resource set (RFC 20), not yet amended; each node is as the hwloc XML says, if
        that is given. Raises OSError if it is none.
        """
        cores, gpus = self.cores_per_node, self.gpus_per_node
        if hwloc_xml is not None:
            from flux.resource.hwloc_xml import described_machine

            _, cores, gpus = described_machine(hwloc_xml)
        made = Rlist()
        for rank in range(self.nodes):
            made.add_rank(rank, f"{self.host_prefix}{rank}", _first(cores))
            if gpus:
                made.add_child(rank, "gpu", _first(gpus))
        return dict(made.to_dict())

    def amend_R(  # noqa: N802 - its name in flux-core
        self,
        R: JsonObject,  # noqa: N803
        hwloc_xml: str | None = None,
    ) -> JsonObject:
        """Return the resource set that is to be installed: what the amender makes of it."""
        return R if self.amender is None else self.amender(R, hwloc_xml=hwloc_xml)

    @abstractmethod
    def install(self) -> None:
        """Let the broker have the resources."""


def _first(count: int) -> str:
    """Return the ids of so many resources."""
    return "" if count == 0 else "0" if count == 1 else f"0-{count - 1}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


class InjectFakeResources(FakeResources):
    """Resources that are put into the KVS, where the resource module finds them once it is loaded
    again, with the options ``noverify`` and ``monitor-force-up``.

    ``log`` is called with what is done, by default it is written to stderr. ``hwloc_xml_path`` is a
    file with what each node is like, instead of numbers; amenders are given its text. Raises
    ValueError, RuntimeError as `FakeResources`.
    """

    def __init__(
        self,
        nodes: int,
        cores_per_node: int = 1,
        gpus_per_node: int = 0,
        host_prefix: str = "fake",
        hwloc_xml_path: str | os.PathLike[str] | None = None,
        verbose: bool = False,
        log: Callable[[str], object] | None = None,
        amender: Amender | str | None = None,
    ) -> None:
        super().__init__(nodes, cores_per_node, gpus_per_node, host_prefix, amender)
        self.hwloc_xml_path = hwloc_xml_path
        self.verbose = verbose
        self.log = _tell if log is None else log

    def install(self, handle: Flux | None = None) -> None:
        """Write the resources into the KVS, through a connection of its own without ``handle``.

        Raises OSError if that fails or the file cannot be read, and whatever the amender raises.
        """
        from flux import kvs

        xml = None
        if self.hwloc_xml_path is not None:
            with open(self.hwloc_xml_path, encoding="utf-8") as file:
                xml = file.read()
        self.log(
            f"Encoding fake R: {self.nodes} nodes, {self.cores_per_node} cores/node, "
            f"{self.gpus_per_node} GPUs/node"
        )
        made = self.amend_R(self.encode(xml), hwloc_xml=xml)
        if self.verbose:
            self.log(json.dumps_str(made))
        if handle is None:
            from flux.core.handle import Flux

            handle = Flux()
        kvs.put(handle, KEY, made)
        kvs.commit(handle)
        self.log("Fake resources injected.")
