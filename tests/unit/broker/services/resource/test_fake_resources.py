"""Resources that are not there, as the configuration describes them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.configuration.tables import FakeResourcesConfig
from broker.services.resource.fake import fake_resources
from broker.services.resource.state import Resources
from flux.idset import IDset

if TYPE_CHECKING:
    import pathlib

MACHINE = '<topology><object type="Machine"><object type="Core"/></object></topology>'


def test_equal_nodes() -> None:
    made = fake_resources(FakeResourcesConfig(3, 2, 1, "n"))["execution"]
    assert made["nodelist"] == ["n[0-2]"]
    assert made["R_lite"] == [{"rank": "0-2", "children": {"core": "0-1", "gpu": "0"}}]


def test_nodes_of_a_file_and_an_amender(tmp_path: pathlib.Path) -> None:
    (tmp_path / "node.xml").write_text(MACHINE)
    text = "def amend(R, hwloc_xml=None):\n    R['scheduling'] = len(hwloc_xml)\n    return R\n"
    (tmp_path / "amender.py").write_text(text)
    xml, amender = f"{tmp_path}/node.xml", f"{tmp_path}/amender.py"
    made = fake_resources(FakeResourcesConfig(2, hwloc_xml_path=xml, amend_r=amender))
    assert made["execution"]["R_lite"] == [{"rank": "0-1", "children": {"core": "0"}}]
    assert dict(made)["scheduling"] == len(MACHINE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def amend(R, hwloc_xml=None): return 1 / 0", "division by zero"),
        ("def amend(R, hwloc_xml=None): return {'version': 2}", "invalid version=2"),
        ("", "has no attribute 'amend'"),
    ],
)
def test_amenders_that_fail(tmp_path: pathlib.Path, text: str, said: str) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(OSError, match=said) as failure:
        fake_resources(FakeResourcesConfig(1, amend_r=f"{tmp_path}/a.py"))
    assert failure.value.errno == errno.EINVAL
    assert str(failure.value.strerror).count("[fake-resources]") == 1


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\[fake-resources\] No such file"):
        fake_resources(FakeResourcesConfig(1, hwloc_xml_path=f"{tmp_path}/no.xml"))


def test_ranks_without_brokers_are_up_and_not_waited_for() -> None:
    state = Resources(1)
    state.imagine(3)
    assert state.awaited == {0}
    state.begin(IDset(0), force_up=True)
    state.define(fake_resources(FakeResourcesConfig(3, 1)))
    assert (state.up().encode(), len(state.offline())) == ("0-2", 0)
    state.drain(state.targets("2"), "why", 1.0)
    assert state.up().encode() == "0-1"
