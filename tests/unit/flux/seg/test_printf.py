"""Formats of printf(3), against the C library's own."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.seg.errors import SegError, SegErrorType
from flux.seg.printf import printf

LIBC = ctypes.CDLL(None)
FORM = st.tuples(
    st.lists(st.sampled_from("-+ #0"), unique=True, max_size=3).map("".join),
    st.sampled_from(["", "1", "5", "12"]),
    st.sampled_from(["", ".", ".0", ".3", ".7"]),
).map("".join)
C_TYPES = {
    "": ctypes.c_int,
    "h": ctypes.c_int,
    "l": ctypes.c_long,
    "ll": ctypes.c_longlong,
    "z": ctypes.c_long,
    "j": ctypes.c_long,
}


def c_printf(template: str, argument: object) -> str:
    buffer = ctypes.create_string_buffer(9000)
    LIBC.snprintf(buffer, len(buffer), template.encode(), argument)
    return buffer.value.decode()


@given(
    FORM,
    st.sampled_from(sorted(C_TYPES)),
    st.sampled_from("diouxX"),
    st.sampled_from([0, 1, -1, 7, -300, 32767]) | st.integers(-32768, 32767),
)
def test_integers(form: str, length: str, kind: str, value: int) -> None:
    template = f"<%{form}{length}{kind}>"
    assert printf(template, (value,)) == c_printf(template, C_TYPES[length](value))


@given(FORM, st.sampled_from("fFeEgG"), st.floats(-1e20, 1e20) | st.just(0.0))
def test_reals(form: str, kind: str, value: float) -> None:
    template = f"<%{form}{kind}>"
    assert printf(template, (value,)) == c_printf(template, ctypes.c_double(value))


@given(FORM, st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_strings(form: str, value: str) -> None:
    template = f"<%{form}s>"
    assert printf(template, (value,)) == c_printf(template, ctypes.c_char_p(value.encode()))


@pytest.mark.parametrize(
    ("template", "arguments", "expected"),
    [
        ("001;%ld;%s;%d;%d", (12, "4.server", 1, 0), "001;12;4.server;1;0"),
        ("%d%%", (5,), "5%"),
        ("no conversions", (), "no conversions"),
        ("%*d|%-*d|%.*d", (4, 7, -3, 7, 2, 7), "   7|7  |07"),
        ("%c%c", ("a", 98), "ab"),
        ("%u", (-1,), "4294967295"),
        ("%lu", (-1,), "18446744073709551615"),
        ("%hhx", (-1,), "ff"),
        ("%s", (b"bytes",), "bytes"),
    ],
)
def test_formats(template: str, arguments: tuple[object, ...], expected: str) -> None:
    assert printf(template, arguments) == expected


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("%d", ()),
        ("%d", ("1",)),
        ("%d", (1.0,)),
        ("%d", (True,)),
        ("%d", (2**31,)),
        ("%ld", (2**63,)),
        ("%hhd", (128,)),
        ("%u", (2**32,)),
        ("%s", (1,)),
        ("%c", ("ab",)),
        ("%f", ("1",)),
        ("%f", (10**400,)),
        ("%Ld", (1,)),
        ("%hf", (1.0,)),
        ("%ls", ("wide",)),
        ("%n", (1,)),
        ("%p", (1,)),
        ("%y", (1,)),
        ("%", ()),
        ("100%", ()),
        ("%5%", ()),
        ("%*d", ("4", 1)),
        ("%*d", (10**6, 1)),
        ("%999999999d", (1,)),
        ("%(name)s", ({"name": "x"},)),
        ("%d", (1, 2)),
        ("none", (1,)),
    ],
)
def test_what_does_not_fit_is_an_invalid_format(
    template: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(SegError) as caught:
        printf(template, arguments)
    assert caught.value.type == SegErrorType.INVALID_FORMAT


@pytest.mark.parametrize(("template", "arguments"), [(None, ()), ("%s", (None,))])
def test_null(template: str | None, arguments: tuple[object, ...]) -> None:
    with pytest.raises(SegError) as caught:
        printf(template, arguments)
    assert caught.value.type == SegErrorType.NULL
