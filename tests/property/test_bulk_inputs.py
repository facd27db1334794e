"""Inputs of bulk submission do not depend on how the text arrives, and combine as a product."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from fluxctl.mini.inputs import InputReader, Source, Splitter
from fluxctl.mini.template import Template


@given(
    st.lists(st.text(alphabet="ab ,\n", max_size=6), max_size=8),
    st.sampled_from([None, "none", ",", "ab"]),
)
def test_pieces_do_not_matter(pieces: list[str], separator: str | None) -> None:
    whole, split = Splitter(separator), Splitter(separator)
    expected = whole.feed("".join(pieces)) + whole.finish()
    found = [token for piece in pieces for token in split.feed(piece)] + split.finish()
    assert found == expected


words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)


@given(st.lists(words, min_size=1, max_size=3))
def test_sources_combine_as_a_product(lists: list[list[str]]) -> None:
    assert list(InputReader([Source(one) for one in lists])) == list(product(*lists))


@given(words, words)
def test_linked_sources_go_in_step(first: list[str], linked: list[str]) -> None:
    found = list(InputReader([Source(first), Source(linked, linked=True)]))
    assert found == [(word, linked[index % len(linked)]) for index, word in enumerate(first)]


@given(st.text(max_size=12))
def test_inputs_are_inserted_literally(text: str) -> None:
    template = Template()
    assert template.replace("<{}>", template.values([text], 0), str) == f"<{text}>"
