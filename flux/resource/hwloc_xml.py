"""What a topology in hwloc's XML says of a machine: its host, how many cores and GPUs. For files of
hwloc 1.11 and 2, which differ in names of objects, not in these.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BACKENDS = {"CUDA": "cuda", "RSMI": "rsmi", "LevelZero": "ze", "OpenCL": "opencl", "NVML": "nvml"}
"""Kinds of GPU device, and what their names begin with: one GPU has a device for each of the
libraries that hwloc was built with."""
_OWN_BACKEND = "GPU"
"""The kind that our own documents have."""


class DescribedMachine(NamedTuple):
    """A machine as a document describes it; ``host`` is empty if it does not say.

    Cores are numbered as hwloc does, from 0 in the order of the document.
    """

    host: str
    cores: int
    gpus: int


def described_machine(text: str | bytes) -> DescribedMachine:
    """Return what hwloc XML says; raises OSError(EINVAL) if it is none or describes no core."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as exc:
        raise OSError(errno.EINVAL, f"no valid XML: {exc}") from None
    machine = root.find("object[@type='Machine']") if root.tag == "topology" else None
    if machine is None:
        raise OSError(errno.EINVAL, "no topology of a machine")
    cores = sum(1 for item in machine.iter("object") if item.get("type") == "Core")
    if not cores:
        raise OSError(errno.EINVAL, "the topology has no cores")
    host = next(
        (str(item.get("value") or "") for item in machine.iterfind("info[@name='HostName']")), ""
    )
    return DescribedMachine(host, cores, _gpus(machine))


def _gpus(machine: Element) -> int:
    """Return the number of GPUs: the most that one library saw."""
    seen: dict[str, int] = {}
    for item in machine.iter("object"):
        if item.get("type") == "OSDev" and (kind := _kind(item)) is not None:
            seen[kind] = seen.get(kind, 0) + 1
    return max(seen.values(), default=0)


def _kind(device: Element) -> str | None:
    """Return which library saw a GPU; None for another device."""
    words = {device.get("subtype")}
    words |= {
        info.get("value")
        for info in device.iterfind("info")
        if info.get("name") in ("CoProcType", "Backend")
    }
    name = device.get("name") or ""
    for kind, prefix in _BACKENDS.items():
        if kind in words or (name.startswith(prefix) and name[len(prefix) :][:1].isdigit()):
            return kind
    return _OWN_BACKEND if _OWN_BACKEND in words else None
