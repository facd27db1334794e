"""Resources that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flux.resource.topology import CoreUnits, HardwareTopology, to_xml
from flux.testing import fake_resources as fake

if TYPE_CHECKING:
    from pathlib import Path


class Kept(fake.FakeResources):
    """Resources that are kept, not installed."""

    def install(self) -> None:
        self.made = self.amend_R(self.encode())


def shape(resources: dict[str, Any]) -> Any:
    return resources["execution"]["R_lite"]


def test_nodes_are_equal() -> None:
    made = Kept(3, 4, 1).encode()
    assert shape(made) == [{"rank": "0-2", "children": {"core": "0-3", "gpu": "0"}}]
    assert made["execution"]["nodelist"] == ["fake[0-2]"]
    assert shape(Kept(1).encode()) == [{"rank": "0", "children": {"core": "0"}}]


def test_numbers_of_everything() -> None:
    found = Kept(3, 4, 1, host_prefix="n")
    assert (found.total_cores, found.total_gpus) == (12, 3)
    assert (found.saturation_count(2), found.saturation_count(2, 1)) == (6, 3)
    assert fake.saturation_count(3, 4, 2, slot_cores=0, slot_gpus=1) == 6
    with pytest.raises(ValueError, match="slot_cores or slot_gpus must be positive"):
        found.saturation_count(0)
    with pytest.raises(ValueError, match="at least one node"):
        Kept(0)


def test_an_amender_changes_the_resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "amending.py").write_text(
        "def amend(R, hwloc_xml=None):\n    return {**R, 'scheduling': {'xml': hwloc_xml}}\n"
    )
    found = Kept(1, amender=str(tmp_path / "amending.py"))
    found.install()
    assert found.made["scheduling"] == {"xml": None}
    monkeypatch.syspath_prepend(str(tmp_path))
    assert fake.load_amender("amending:amend")({}, hwloc_xml="x") == {"scheduling": {"xml": "x"}}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("/no/file.py", "file not found: '/no/file.py'"),
        ("os:nope", "module 'os' has no attribute 'nope'"),
        ("os:sep", "module 'os' has no function 'sep'"),
        ("no.mod:x", "failed to import module 'no.mod': No module named 'no'"),
    ],
)
def test_an_amender_that_there_is_not_is_named(spec: str, reason: str) -> None:
    with pytest.raises(RuntimeError, match=rf"\[fake-resources\] amend-r: {reason}"):
        Kept(1, amender=spec)


def test_a_file_says_what_a_node_is_like() -> None:
    units = tuple(CoreUnits(0, (core,)) for core in range(6))
    text = to_xml(HardwareTopology("h", units, 2, 0))
    assert shape(Kept(2, 1).encode(text)) == [
        {"rank": "0-1", "children": {"core": "0-5", "gpu": "0-1"}}
    ]
    with pytest.raises(OSError, match="no valid XML"):
        Kept(2).encode("<")
