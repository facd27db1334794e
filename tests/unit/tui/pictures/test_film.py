"""Films: what is drawn once, when it is seen, and what is not in them."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tui.pictures.film import CELL, Appearance, Frame, Scene, Stretch, draw, gathered

INK = Appearance("#cdd4e0")
SCENE = Scene('a "title" & more')


def line(text: str, look: Appearance = INK) -> tuple[Stretch, ...]:
    return (Stretch(0, len(text), text, look),)


def frame(*texts: str, seconds: float = 1.0) -> Frame:
    return Frame(tuple(line(text) if text else () for text in texts), seconds)


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def test_lines_that_stand_in_several_frames_are_drawn_once() -> None:
    picture = draw(
        [frame("same", "one"), frame("same", "two"), frame("two", "same")], (10, 2), SCENE
    )
    parsed(picture)
    assert picture.count(">same<") == picture.count(">one<") == picture.count(">two<") == 1
    assert picture.count("<use ") == 6


def test_frames_follow_each_other_in_their_time_and_begin_again() -> None:
    frames = [frame("a", seconds=1.0), frame("b", seconds=2.0), frame("c", seconds=1.0)]
    picture = draw(frames, (10, 1), SCENE, poster=1)
    steps = re.findall(r"([\d.]+)%\{transform:translateX\((-?[\d.]+)px\)\}", picture)
    whens = [float(when) for when, _ in steps]
    assert whens == [0.0, 25.0, 75.0, 100.0]
    offsets = [-float(offset) for _, offset in steps]
    shifts = [
        float(shift) for shift in re.findall(r'<g transform="translate\(([\d.]+)\)">', picture)
    ]
    assert shifts[0] == 0.0, "the poster is first on the strip"
    assert offsets == [shifts[1], shifts[0], shifts[2], shifts[2]]
    assert min(b - a for a, b in pairwise(shifts)) > 10 * CELL[0]
    assert "film 4s step-end infinite" in picture
    assert "prefers-reduced-motion" in picture


def test_what_people_wrote_is_text() -> None:
    picture = draw([frame("<script>&]]>", '"x"')], (20, 2), SCENE)
    texts = [element.text for element in parsed(picture).iter() if element.tag.endswith("tspan")]
    assert texts == ["<script>&]]>", '"x"']
    assert parsed(picture).attrib["aria-label"] == SCENE.title


def test_nothing_comes_from_elsewhere() -> None:
    picture = draw([frame("text")], (10, 1), SCENE)
    assert "<script" not in picture
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in picture
    assert "@import" not in picture


def test_looks_are_kept_and_cells_stay_in_their_columns() -> None:
    loud = Appearance("#ff0000", "#00ff00", bold=True, italic=True, underline=True)
    parts = (Stretch(2, 6, "  ab  ", INK), Stretch(8, 3, "\u4f60x", loud))
    picture = draw([Frame((parts,), 1.0)], (12, 1), SCENE)
    spans = [element for element in parsed(picture).iter() if element.tag.endswith("tspan")]
    assert [(span.text, span.attrib["x"], span.attrib["textLength"]) for span in spans] == [
        ("ab", "33.6", "16.8"),
        ("\u4f60x", "67.2", "25.2"),
    ]
    assert "fill:#ff0000;font-weight:bold;font-style:italic;text-decoration:underline" in picture
    assert 'fill="#00ff00"' in picture


def test_frames_that_look_the_same_are_one() -> None:
    found = gathered([frame("a"), frame("a", seconds=0.5), frame("b"), frame("a")])
    assert [one.seconds for one in found] == [1.5, 1.0, 1.0]
    assert gathered([]) == []


def test_a_film_has_frames() -> None:
    with pytest.raises(ValueError, match="a film has frames"):
        draw([], (10, 1), SCENE)
