"""The hostlist form of any list of host names decodes to the same list (RFC 29)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flux.hostlist import Hostlist

hosts = st.builds(
    lambda prefix, number, width, suffix: f"{prefix}{number:0{width}d}{suffix}",
    st.sampled_from(["node", "a", "a1b", "x-"]),
    st.integers(0, 12),
    st.integers(1, 3),
    st.sampled_from(["", "", "", "-ib", ".dom"]),
)


@given(st.lists(hosts, max_size=30))
def test_encode_keeps_order_padding_and_repeats(names: list[str]) -> None:
    made = Hostlist(names)
    assert made.expand() == names
    assert Hostlist(made.encode()).expand() == names


@given(st.text(alphabet="a01[],- ", max_size=12))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        made = Hostlist(text)
    except ValueError:
        return
    assert Hostlist(made.encode()) == made
