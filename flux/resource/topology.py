"""What hardware this process may use: cores, processing units, memory and GPUs, and its description
as hwloc XML.

Core ids are logical, as in hwloc: the cores that hold at least one processing unit of the process's
CPU affinity, counted from 0 in the order of their first processing unit. Implements what
flux-hwloc(1) shows and what a resource set (RFC 20) is made of.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CPU_ROOT = Path("/sys/devices/system/cpu")


class CoreUnits(NamedTuple):
    """One physical core: the socket it sits on and its usable processing units."""

    socket: int
    pus: tuple[int, ...]


class HardwareTopology(NamedTuple):
    """The usable hardware of one machine; ``memory`` is in bytes, ``gpus`` counts devices."""

    hostname: str
    cores: tuple[CoreUnits, ...]
    gpus: int
    memory: int

    @property
    def npus(self) -> int:
        """The number of processing units."""
        return sum(len(core.pus) for core in self.cores)


def cores_of(pus: Iterable[int], location: Mapping[int, tuple[int, int]]) -> tuple[CoreUnits, ...]:
    """Group the usable processing units ``pus`` into cores; ``location`` has (socket, core) of
    each. A unit that is not listed there counts as a core of its own.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for pu in sorted(pus):
        groups.setdefault(location.get(pu, (0, -1 - pu)), []).append(pu)
    return tuple(CoreUnits(socket_id, tuple(members)) for (socket_id, _), members in groups.items())


def discover(*, restrict: bool = True) -> HardwareTopology:
    """Return the hardware this process may use; without ``restrict`` all that the machine has,
    whatever processors the process is bound to.
    """
    pus = os.sched_getaffinity(0) if restrict else _online()
    location = {pu: found for pu in pus if (found := _location(pu)) is not None}
    return HardwareTopology(socket.gethostname(), cores_of(pus, location), _count_gpus(), _memory())


def _online() -> set[int]:
    """Return the processing units that are switched on."""
    try:
        return set(IDset((_CPU_ROOT / "online").read_text().strip()))
    except (OSError, ValueError):
        return set(range(os.cpu_count() or 1))


def _location(pu: int) -> tuple[int, int] | None:
    folder = _CPU_ROOT / f"cpu{pu}" / "topology"
    try:
        package = int((folder / "physical_package_id").read_text())
        core = int((folder / "core_id").read_text())
    except (OSError, ValueError):
        return None
    return max(package, 0), core


def _count_gpus() -> int:
    nvidia = [
        path for path in glob.glob("/dev/nvidia[0-9]*") if re.fullmatch(r"/dev/nvidia\d+", path)
    ]
    if nvidia:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return len(
                [
                    part
                    for part in visible.split(",")
                    if part.strip() and not part.strip().startswith("-")
                ]
            )
        return len(nvidia)
    return _count_amd_gpus()


def _count_amd_gpus() -> int:
    """Count the GPU nodes of AMD's kernel driver; its CPU nodes have no SIMD units."""
    count = 0
    for path in glob.glob("/sys/class/kfd/kfd/topology/nodes/*/properties"):
        try:
            match = re.search(r"^simd_count (\d+)$", Path(path).read_text(), re.MULTILINE)
        except OSError:
            continue
        count += bool(match and int(match[1]))
    return count


def _memory() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(total, int(text))
    return total


# hwloc XML


def _mask(ids: Iterable[int]) -> str:
    bits = 0
    for i in ids:
        bits |= 1 << i
    words = []
    while True:
        words.append(f"0x{bits & 0xFFFFFFFF:08x}")
        bits >>= 32
        if not bits:
            return ",".join(reversed(words))


def _element(kind: str, os_index: int, pus: Iterable[int], **more: object) -> str:
    cpuset, nodeset = _mask(pus), "0x00000001"
    attributes: dict[str, object] = {"type": kind, "os_index": os_index}
    attributes |= dict.fromkeys(
        ("cpuset", "complete_cpuset", "online_cpuset", "allowed_cpuset"), cpuset
    )
    attributes |= dict.fromkeys(("nodeset", "complete_nodeset", "allowed_nodeset"), nodeset)
    attributes |= more
    return "<object " + " ".join(
        f"{name}={_quoted(str(value))}" for name, value in attributes.items()
    )


def _infos() -> dict[str, str]:
    system = platform.uname()
    return {
        "Backend": "Linux",
        "OSName": system.system,
        "OSRelease": system.release,
        "OSVersion": system.version,
        "Architecture": system.machine,
        "ProcessName": "flux-broker",
    }


def to_xml(topology: HardwareTopology, infos: Mapping[str, str] | None = None) -> str:
    """Return ``topology`` as hwloc 1 XML: machine, NUMA node, sockets, cores, processing units,
    GPUs.
    """
    all_pus = [pu for core in topology.cores for pu in core.pus]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE topology SYSTEM "hwloc.dtd">',
        "<topology>",
        f"  {_element('Machine', 0, all_pus)}>",
    ]
    facts = {**(_infos() if infos is None else infos), "HostName": topology.hostname}
    lines += [
        f"    <info name={_quoted(name)} value={_quoted(value)}/>" for name, value in facts.items()
    ]
    lines.append(f"    {_element('NUMANode', 0, all_pus, local_memory=topology.memory)}>")
    for number in sorted({core.socket for core in topology.cores}):
        lines += _socket_lines(topology, number)
    lines.append("    </object>")
    lines += [
        f'    <object type="OSDev" name="gpu{index}" osdev_type="5">'
        '<info name="Backend" value="GPU"/></object>'
        for index in range(topology.gpus)
    ]
    lines += ["  </object>", "</topology>", ""]
    return "\n".join(lines)


def _socket_lines(topology: HardwareTopology, number: int) -> list[str]:
    members = [(index, core) for index, core in enumerate(topology.cores) if core.socket == number]
    lines = [f"      {_element('Socket', number, [pu for _, core in members for pu in core.pus])}>"]
    for index, core in members:
        lines.append(f"        {_element('Core', index, core.pus)}>")
        lines += [f"          {_element('PU', pu, [pu])}/>" for pu in core.pus]
        lines.append("        </object>")
    lines.append("      </object>")
    return lines


class Counts(NamedTuple):
    """How many objects of each kind a set of topologies holds."""

    machines: int
    cores: int
    pus: int

    def __str__(self) -> str:
        parts = ((self.machines, "Machine"), (self.cores, "Core"), (self.pus, "PU"))
        return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in parts)


def count_objects(documents: Iterable[str]) -> Counts:
    """Count machines, cores and processing units in hwloc XML documents (any hwloc version)."""
    found = {"Machine": 0, "Core": 0, "PU": 0}
    for text in documents:
        for kind in found:
            found[kind] += len(re.findall(rf'<object\s[^>]*?type="{kind}"', text))
    return Counts(found["Machine"], found["Core"], found["PU"])


# The standard library's quoteattr brings half of urllib along.
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\n": "&#10;",
        "\r": "&#13;",
        "\t": "&#9;",
    }
)


def _quoted(value: str) -> str:
    """Return a value as an attribute in XML, quotes included."""
    return f'"{value.translate(_ESCAPES)}"'
