"""Discovery of the hardware and its hwloc XML."""

from __future__ import annotations

import os
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from flux.resource.topology import (
    CoreUnits,
    HardwareTopology,
    cores_of,
    count_objects,
    discover,
    to_xml,
)


def test_this_machine() -> None:
    found = discover()
    assert {pu for core in found.cores for pu in core.pus} == os.sched_getaffinity(0)
    assert found.memory > 0
    assert found.hostname


def test_hyperthreads_share_a_core() -> None:
    location = {0: (0, 0), 1: (0, 1), 2: (0, 0), 3: (0, 1), 4: (1, 0)}
    assert cores_of([4, 3, 2, 0], location) == (
        CoreUnits(0, (0, 2)),
        CoreUnits(0, (3,)),
        CoreUnits(1, (4,)),
    )


def test_unknown_location_is_a_core_of_its_own() -> None:
    assert cores_of([5, 6], {}) == (CoreUnits(0, (5,)), CoreUnits(0, (6,)))


@given(
    st.dictionaries(
        st.integers(0, 200), st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1
    )
)
def test_xml_describes_every_unit_once(location: dict[int, tuple[int, int]]) -> None:
    topology = HardwareTopology('a<b"&', cores_of(location, location), 2, 4096)
    xml = to_xml(topology)
    root = ElementTree.fromstring(xml)
    units = [
        int(element.get("os_index", ""))
        for element in root.iter("object")
        if element.get("type") == "PU"
    ]
    assert sorted(units) == sorted(location)
    counts = count_objects([xml])
    assert (counts.machines, counts.cores, counts.pus) == (1, len(topology.cores), len(location))
    assert [info.get("value") for info in root.iter("info") if info.get("name") == "HostName"] == [
        'a<b"&'
    ]


def test_cpusets_are_hexadecimal_words() -> None:
    xml = to_xml(HardwareTopology("vm", (CoreUnits(0, (0,)), CoreUnits(0, (33,))), 0, 1), {})
    assert 'cpuset="0x00000002,0x00000001"' in xml


def test_counts_read_as_a_sentence() -> None:
    xml = to_xml(HardwareTopology("vm", (CoreUnits(0, (0,)), CoreUnits(0, (1,))), 0, 1))
    assert str(count_objects([xml])) == "1 Machine, 2 Cores, 2 PUs"
    assert str(count_objects([xml] * 2)) == "2 Machines, 4 Cores, 4 PUs"
