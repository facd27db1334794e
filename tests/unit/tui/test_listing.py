"""Rows that are sorted, filtered and marked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tui.model.intent import Intent, many
from tui.model.listing import ListColumn, Listing, fitted


@dataclass(frozen=True)
class Fruit:
    name: str
    colour: str
    weight: int


COLUMNS = (
    ListColumn[Fruit]("name", "NAME", 8, lambda f: f.name, grow=1),
    ListColumn[Fruit]("colour", "COLOUR", 6, lambda f: f.colour, rank=1),
    ListColumn[Fruit]("weight", "WEIGHT", 6, lambda f: str(f.weight), lambda f: f.weight),
)
FRUIT = (Fruit("plum", "blue", 100), Fruit("apple", "red", 20), Fruit("cherry", "dark red", 3))


def fruit(limit: int = 0) -> Listing[Fruit]:
    made: Listing[Fruit] = Listing(COLUMNS, lambda f: f.name, limit=limit)
    made.replace(FRUIT)
    return made


def names(listing: Listing[Fruit]) -> list[str]:
    return [row.name for row in listing.shown]


def test_rows_come_as_they_were_given_or_sorted_by_number_or_text() -> None:
    listing = fruit()
    assert names(listing) == ["plum", "apple", "cherry"]
    listing.set_sort("weight", False)
    assert names(listing) == ["cherry", "apple", "plum"]
    listing.set_sort("name", True)
    assert names(listing) == ["plum", "cherry", "apple"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ["plum", "apple", "cherry"]),
        ("RED", ["apple", "cherry"]),
        ("red -dark", ["apple"]),
        ("colour:red", ["apple", "cherry"]),
        ("name:red", []),
        ("name:p*", ["plum"]),
        ('"dark red"', ["cherry"]),
        ("red e 3", ["cherry"]),
        ("odd:one", []),
    ],
)
def test_filter(text: str, left: list[str]) -> None:
    listing = fruit()
    listing.set_text(text)
    assert names(listing) == left
    assert listing.total == 3


def test_marks_outlive_filters_but_not_their_rows() -> None:
    listing = fruit()
    listing.marks |= {"plum", "apple"}
    listing.set_text("red")
    assert listing.hidden_marks() == 1
    assert [row.name for row in listing.marked()] == ["plum", "apple"]
    listing.replace(FRUIT[1:])
    assert listing.marks == {"apple"}


def test_place_of_a_row_follows_the_order() -> None:
    listing = fruit()
    assert listing.index_of("cherry") == 2
    listing.set_sort("name", False)
    assert listing.index_of("cherry") == 1
    assert listing.index_of("pear") is None


def test_appended_rows_are_filtered_and_the_oldest_go() -> None:
    listing = fruit(limit=4)
    listing.set_text("red")
    assert listing.append([Fruit("rose hip", "red", 1), Fruit("pear", "green", 9)]) == 0
    assert names(listing) == ["apple", "cherry", "rose hip"]
    gone = listing.append([Fruit("quince", "yellow", 9), Fruit("currant", "red", 9)])
    assert [row.name for row in listing.rows()] == ["rose hip", "pear", "quince", "currant"]
    assert names(listing) == ["rose hip", "currant"]
    assert gone == 2
    assert listing.total == 4


def test_columns_that_have_no_room_are_left_out_by_rank() -> None:
    assert [(c.name, width) for c, width in fitted(COLUMNS, 40)] == [
        ("name", 26), ("colour", 6), ("weight", 6),
    ]  # fmt: skip
    assert [c.name for c, _ in fitted(COLUMNS, 18)] == ["name", "weight"]
    assert [c.name for c, _ in fitted(COLUMNS, 3)] == ["name"]


def test_a_hundred_thousand_rows_are_sorted_and_filtered() -> None:
    listing = fruit()
    listing.replace(Fruit(f"n{i}", "x", -i) for i in range(100_000))
    listing.set_sort("weight", False)
    assert listing.shown[0].name == "n99999"
    listing.set_text("name:n777?")
    assert len(listing) == 10


def test_a_question_names_one_thing_and_counts_many() -> None:
    one = Intent("Drain", "node", ("3 (n3)",), "Reason")
    assert one.title == "Drain node 3 (n3)?"
    assert one.listing() == []
    assert one.lacks(" ", "") == "Reason: it may not be empty"
    assert one.lacks("disk", "") == ""
    lots = Intent("Delete", "entry", tuple(str(i) for i in range(25)))
    assert lots.action == "Delete 25 entries"
    assert lots.listing()[-1] == "and 19 more"
    assert lots.lacks("", "24") == "type 25 to go on"
    assert lots.lacks("", "25") == ""


def test_words_of_others_in_a_question_are_fit_for_a_terminal() -> None:
    assert "\x1b" not in Intent("Unlink", "key", ("a\x1b[2J",)).title
    assert not any("\x1b" in line for line in Intent("Unlink", "key", ("a\x1b", "b")).listing())


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "key", "1 key"),
        (2, "key", "2 keys"),
        (0, "entry", "0 entries"),
        (1204, "node", "1,204 nodes"),
    ],
)
def test_numbers_of_things(number: int, noun: str, text: str) -> None:
    assert many(number, noun) == text
