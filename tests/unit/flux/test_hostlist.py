"""The test vectors of RFC 29, and the operations."""

from __future__ import annotations

from typing import Any

import pytest

from flux.hostlist import Hostlist, HostlistIterator, decode
from flux.idset import IDset


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("foox,fooy,fooz", "foox,fooy,fooz"),
        ("[1-3,5-6]", "1,2,3,5,6"),
        ("foo[1-5]", "foo1,foo2,foo3,foo4,foo5"),
        ("foo[0-4]-eth2", "foo0-eth2,foo1-eth2,foo2-eth2,foo3-eth2,foo4-eth2"),
        ("foo1,foo1,foo1", "foo1,foo1,foo1"),
        ("[00-02]", "00,01,02"),
        ("[00-2]", "00,01,02"),
        ("foo1  foo2, foo3", "foo1,foo2,foo3"),
        ("foo[1,1,2,1]", "foo1,foo1,foo2,foo1"),
        ("foo[005,4,11-13]", "foo005,foo004,foo011,foo012,foo013"),
    ],
)
def test_rfc_vectors(text: str, expanded: str) -> None:
    assert ",".join(decode(text)) == expanded


@pytest.mark.parametrize("text", ["a[", "a]", "a[1", "a[x]", "a[2-1]", "a[[1]]"])
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid argument"):
        Hostlist(text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("n8,n9,n10,n11", "n[8-11]"),
        ("a09,a10,a100", "a[09-10,100]"),
        ("n9,n010", "n9,n010"),
        ("vm,vm,vm,vm", "vm,vm,vm,vm"),
        ("foo0", "foo0"),
    ],
)
def test_encode(names: str, text: str) -> None:
    assert Hostlist(names).encode() == text


def test_operations() -> None:
    hosts = Hostlist("b2,a[1-3],b1")
    assert hosts.append("a1", ["c[1-2]"]) == 3
    assert hosts.delete("a2,nosuch") == 1
    assert hosts.copy().sort().encode() == "a[1,1,3],b[1-2],c[1-2]"
    assert hosts.uniq().encode() == "a[1,3],b[1-2],c[1-2]"
    assert (hosts[0], hosts[-1], str(hosts[1:3]), hosts.count(), "b2" in hosts) == (
        "a1",
        "c2",
        "a3,b1",
        6,
        True,
    )
    assert list(HostlistIterator(hosts)) == hosts.expand()
    with pytest.raises(IndexError):
        hosts[6]


@pytest.mark.parametrize(
    "text",
    [
        "h[0-4294967294]",
        "h[0-99999][0-99999]",
        "h" + "[0-9]" * 2000,
        "h[0-199999],h[0-199999]",
        "h[" + "0" * 5000 + "1-9]",
        "h[1-" + "9" * 5000 + "]",
    ],
)
def test_a_few_characters_do_not_stand_for_more_than_fits(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid argument") as refused:
        decode(text)
    assert len(str(refused.value)) < 300


def test_a_hundred_thousand_hosts_and_several_lists_in_a_name() -> None:
    assert len(decode("h[0-99999]")) == 100_000
    assert list(decode("r[1-2]n[08-09]x")) == ["r1n08x", "r1n09x", "r2n08x", "r2n09x"]
    long = "h" + "9" * 5000
    assert decode(long).encode() == long


def test_positions() -> None:
    hosts = Hostlist("foo[0-3]")
    assert hosts.index("foo2") == [2]
    assert hosts.index(["foo[1-2]", "foo0"]) == hosts.index(Hostlist("foo[1-2,0]")) == [1, 2, 0]
    assert hosts.index("foo[1,9]", ignore_nomatch=True) == [1]
    with pytest.raises(FileNotFoundError, match="host 'foo9' not found"):
        hosts.index("foo[1,9]")
    assert str(hosts[IDset("1-2")]) == str(hosts[[1, 2]]) == "foo[1-2]"
    wrong: Any = "x"
    with pytest.raises(TypeError, match="Invalid Hostlist index 'x'"):
        _ = hosts[wrong]
