"""Machines as documents of hwloc 1 and 2 describe them."""

from __future__ import annotations

import errno

import pytest

from flux.resource.hwloc_xml import described_machine
from flux.resource.topology import CoreUnits, HardwareTopology, to_xml

HWLOC_2 = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0">
    <info name="HostName" value="node7"/>
    <object type="Package" os_index="0">
      <object type="NUMANode" os_index="0" local_memory="1024"/>
      <object type="L3Cache" depth="3">
        <object type="Core" os_index="0">
          <object type="PU" os_index="0"/><object type="PU" os_index="2"/>
        </object>
        <object type="Core" os_index="1"><object type="PU" os_index="1"/></object>
      </object>
    </object>
    <object type="Bridge" bridge_type="0-1">
      <object type="PCIDev" pci_type="0302 [10de:1db4]">%s</object>
    </object>
  </object>
  <cpukind cpuset="0x00000003"/>
</topology>
"""


def device(name: str, kind: str = "", info: str = "") -> str:
    return f'<object type="OSDev" name="{name}" subtype="{kind}" osdev_type="5">{info}</object>'


@pytest.mark.parametrize(
    ("devices", "gpus"),
    [
        ("", 0),
        (device("eth0") + device("vda"), 0),
        (device("card0") + device("renderD128"), 0),
        (device("cuda0", "CUDA") + device("cuda1", "CUDA"), 2),
        (device("cuda0", "CUDA") + device("opencl0d0", "OpenCL") + device("nvml0", "NVML"), 1),
        (device("rsmi0", "RSMI") + device("rsmi1", "RSMI") + device("opencl0d0", "OpenCL"), 2),
        (device("ze0", "LevelZero"), 1),
        (device("cuda0"), 1),
        (device("x", "", '<info name="CoProcType" value="CUDA"/>'), 1),
        (device("cudax"), 0),
    ],
)
def test_gpus_are_counted_once_whatever_saw_them(devices: str, gpus: int) -> None:
    assert described_machine(HWLOC_2 % devices) == ("node7", 2, gpus)


def test_what_we_write_ourselves() -> None:
    cores = (CoreUnits(0, (0, 2)), CoreUnits(0, (1, 3)), CoreUnits(1, (4,)))
    text = to_xml(HardwareTopology("here", cores, gpus=3, memory=1 << 30))
    assert described_machine(text) == ("here", 3, 3)
    assert described_machine(text.encode()) == ("here", 3, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bad",
        "<topology/>",
        "<html><object type='Machine'><object type='Core'/></object></html>",
        "<topology><object type='Machine'/></topology>",
        "<topology><object type='Machine'><object type='Core'/></object>",
        "\0",
    ],
)
def test_what_describes_no_machine(text: str) -> None:
    with pytest.raises(OSError) as caught:
        described_machine(text)
    assert caught.value.errno == errno.EINVAL


def test_a_machine_need_not_have_a_name() -> None:
    text = "<topology><object type='Machine'><object type='Core'/></object></topology>"
    assert described_machine(text) == ("", 1, 0)
