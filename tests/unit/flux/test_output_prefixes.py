"""Formats that sort, drop empty fields and widen others."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any

import pytest

from flux.job import JobInfo, JobInfoFormat
from flux.util import OutputFormat

HEADINGS = {"id": "ID", "name": "NAME", "n": "COUNT", "q": "QUEUE"}
ITEMS = [
    SimpleNamespace(id=3, name="longernamehere", n=1.5, q=""),
    SimpleNamespace(id=1, name="b", n=20.0, q=""),
    SimpleNamespace(id=2, name="b", n=3.0, q=""),
]


def of(fmt: str) -> OutputFormat:
    return OutputFormat(fmt, headings=HEADINGS)


def printed(capsys: pytest.CaptureFixture[str], fmt: str, **how: Any) -> str:
    of(fmt).print_items(iter(ITEMS), **how)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        (
            "{id:>3} {name:<4.4} {n:5.1f}",
            " ID NAME COUNT|  3 long   1.5|  1 b     20.0|  2 b      3.0",
        ),
        ("sort:id {id:>3} {name:<4}", " ID NAME|  1 b   |  2 b   |  3 longernamehere"),
        ("sort:name,-id {id:>3} {name:.4}", " ID NAME|  2 b|  1 b|  3 long"),
        ("sort:-n {id} {n:>6.2f}", "ID  COUNT|1  20.00|2   3.00|3   1.50"),
        ("sort:id{id}", "ID|1|2|3"),
        ("{id} sort:id", "ID sort:id|3 sort:id|1 sort:id|2 sort:id"),
        ("{id:>3} ?:{q:>4} {name:.4}", " ID NAME|  3 long|  1 b|  2 b"),
        ("{id} pre?:{q:>4} mid ?:{name:.4}.", "ID mid NAME.|3 mid long.|1 mid b.|2 mid b."),
        ("+:{name:<4.4}.", "NAME          .|longernamehere.|b             .|b             ."),
        (
            "?+:{q:>4}?+:{name:>3.3}.",
            "          NAME.|longernamehere.|             b.|             b.",
        ),
        ("+?:{id}", "+ID|+3|+1|+2"),
    ],
)
def test_printed(capsys: pytest.CaptureFixture[str], fmt: str, text: str) -> None:
    assert printed(capsys, fmt) == text.replace("|", "\n") + "\n"


@pytest.mark.parametrize(
    ("fmt", "filtered", "without_heading"),
    [
        ("{id:>3} ?:{q:>4} {name}", "{id:>3} {name}", "{id:>3} {name}"),
        ("?:{q} {{}}{id}", " {{}}{id}", " {{}}{id}"),
        ("sort:id +:{name:<4.4} x", "sort:id {name:<14.14} x", "sort:id {name:<14.14} x"),
        ("+:{name:<2}+:{name:.3}", "{name:<14}{name:14.14}", "{name:<14}{name:14.14}"),
        ("+:{n:>2.1f} ?:{n!s}", "{n:>5.1f} {n!s}", "{n:>4.1f} {n!s}"),
        ("+:{n:05.1f}", "{n:05.1f}", "{n:05.1f}"),
        ("+:{q:>2h}", "{q:>5h}", "{q:>2h}"),
        ("+:{n!F:h}", "{n!F:6h}", "{n!F:6h}"),
    ],
)
def test_filtered(fmt: str, filtered: str, without_heading: str) -> None:
    assert of(fmt).filter(ITEMS) == filtered
    assert of(fmt).filter(iter(ITEMS), no_header=True) == without_heading


def test_without_items_all_that_may_go_goes(capsys: pytest.CaptureFixture[str]) -> None:
    of("sort:id ?:{name} {id}").print_items([])
    assert capsys.readouterr().out == " ID\n"


def test_what_print_items_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fmt = "{id:>3} {name:<4.4} {n:5.1f} {q:>4}"
    assert printed(capsys, fmt, width=10) == " ID NAME +\n  3 long +\n  1 b    +\n  2 b    +\n"
    assert printed(capsys, "{id}", no_header=True) == "3\n1\n2\n"
    monkeypatch.setenv("COLUMNS", "5")
    assert printed(capsys, fmt, width=0).splitlines()[:2] == [" ID +", "  3 +"]
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((4, 20)))
    assert printed(capsys, fmt, width=0).splitlines()[:2] == [" ID+", "  3+"]

    def no_terminal(*_: int) -> None:
        raise OSError(errno.ENOTTY, "no terminal")

    monkeypatch.setattr("os.get_terminal_size", no_terminal)
    assert printed(capsys, fmt, width=0) == printed(capsys, fmt)
    marks = {"pre": lambda item: print("<", item.id), "post": lambda item: print(">")}
    assert printed(capsys, "{n}", no_header=True, **marks).splitlines()[:3] == ["< 3", "1.5", ">"]


def test_format_strings() -> None:
    fmt = "sort:name,,-id {id:>3} ?:{q:>4h} +:{name:<4.4} {n!s}"
    layout = of(fmt)
    rest = "{id:>3} ?:{q:>4h} +:{name:<4.4} {n!s}"
    assert layout.get_format() == f"sort:name,-id {rest}"
    assert layout.get_format(include_sort_prefix=False) == rest
    assert layout.get_format(orig=True) == fmt
    assert layout.get_format_prepended("0.", ["name"], False) == "{0.id:>3} ?:{0.q:>4h} {0.n!s}"
    nullified = layout.get_format_prepended("", nullify_expansion_sentinel=True)
    assert nullified == "sort:name,-id {id:>3} ?:{q:>4h} {name} {n!s}"
    assert layout.copy(nullify_expansion=True).get_format() == nullified
    assert layout.copy(["id", "n"]).get_format() == "sort:name,-id  ?:{q:>4h} +:{name:<4.4}"
    assert layout.header_format() == "{id:>3} ?:{q:>4} +:{name:<4.4} {n}"
    assert layout.header(6) == " ID ?+"


def test_sort_keys_can_be_changed() -> None:
    layout = of("sort:name {id}")
    layout.set_sort_keys("-id")
    items = list(ITEMS)
    assert layout.sort_items(items) is items
    assert [item.id for item in items] == [3, 2, 1]
    assert layout.get_format() == "sort:-id {id}"
    layout.set_sort_keys("")
    assert [item.id for item in layout.sort_items(list(ITEMS))] == [3, 1, 2]
    for wrong in ("zz", "-zz", "id,zz"):
        with pytest.raises(ValueError, match="Invalid sort key: zz"):
            layout.set_sort_keys(wrong)
        with pytest.raises(ValueError, match="Invalid sort key: zz"):
            of(f"sort:{wrong} {{id}}")


def test_values_of_any_kind_have_an_order() -> None:
    items = [SimpleNamespace(n=value) for value in ("b", 2, "", 1.5, None, "a")]
    assert [item.n for item in of("sort:n {n}").sort_items(items)] == ["", None, 1.5, 2, "a", "b"]
    with pytest.raises(AttributeError):
        of("sort:q {n}").sort_items(items)


def test_a_format_of_the_past_has_no_prefixes() -> None:
    layout = OutputFormat(HEADINGS, "sort:id {id}", prefixes=False)
    assert layout.header() == "sort:id ID"
    assert of("sort: {id}").header() == "sort: ID", "there is no key"


def test_formats_of_jobs_do_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [
        JobInfo({"id": jobid, "name": name, "annotations": {"user": {"x": jobid}}})
        for jobid, name in ((1, "a"), (3, "long"), (2, "b"))
    ]
    layout = JobInfoFormat("sort:-annotations.user.x ?:{queue} {id.dec} +:{name:>1.1}")
    layout.print_items(jobs)
    assert capsys.readouterr().out == " JOBID NAME\n 3 long\n 2    b\n 1    a\n"
    assert isinstance(layout.copy(["name"]), JobInfoFormat)


DATES = [SimpleNamespace(id=90061.0, name="longernamehere"), SimpleNamespace(id=0.0, name="b")]


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("{name:<6.6+}|", "NAME  |\nlonge+|\nb     |"),
        ("{name:>4.3+}|", " NAM|\n lo+|\n   b|"),
        ("{name:5+}|", "NAME |\nlongernamehere|\nb    |"),
        ("+:{name:<3.3+}|", "NAME          |\nlongernamehere|\nb             |"),
        ("{id!d:%b%d %R::>12}|", "          ID|\n Jan02 01:01|\n            |"),
        ("{id!d:%b%d %R::<13h}|", "ID           |\nJan02 01:01  |\n-            |"),
        ("{id!d:%H::%M}|", "ID|\n01::01|\n00::00|"),
        ("+:{id!d:%R::>1h}?:{id!d:%R::>1}", "   IDID\n01:0101:01\n    - "),
    ],
)
def test_signs_of_cuts_and_widths_of_dates(
    capsys: pytest.CaptureFixture[str], fmt: str, text: str
) -> None:
    of(fmt).print_items(DATES)
    assert capsys.readouterr().out == text + "\n"


def test_what_depends_on_all_items() -> None:
    for fmt in ("sort:id {id}", "?:{id}", "x +:{id}"):
        assert of(fmt).needs_all
        assert not of(fmt).unmarked().needs_all
        assert not of(fmt).settled(ITEMS).needs_all
    assert not of("x: {id} ?{name} +").needs_all
    assert of("sort:id ?:{id:>3} +:{q:<4.4}").unmarked().get_format() == "{id:>3} {q:<4.4}"
