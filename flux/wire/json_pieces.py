"""A long array of objects, decoded piece by piece.

The decoder does not let go of the interpreter before it is through, and an answer of a hundred
thousand jobs takes it most of a second, in a thread as well. Whoever has something else to do
meanwhile decodes a part of it at a time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_NAME: Final = rb'(\{\s*"[^"\\]*"\s*:)'


def array_pieces(text: bytes, member: str, size: int) -> Iterator[list[Any]]:
    """Give the elements of an array in order, about ``size`` bytes of text at a time; ``text`` is
    an object whose first member, called ``member``, is the array. Raises `JSONDecodeError`, once
    it gets there, if the text is not JSON.

    What is not laid out as expected comes in one piece, an absent array as an empty one.

    A piece ends where an element seems to: before a ``},`` after which an object begins with the
    name that the first element begins with. Such a place is never in a string, whose quotation
    marks are escaped; that it is not in an object inside an element is proved by decoding the
    piece.
    """
    head = re.match(rb'\s*\{\s*"' + re.escape(member.encode()) + rb'"\s*:\s*\[\s*', text)
    first = re.compile(_FIRST_NAME).match(text, head.end()) if head else None
    if head is None or first is None:
        yield _member(json.loads(text), member)
        return
    mark = b"}," + first[1]
    start, step = head.end(), size
    while (end := text.find(mark, start + step)) >= 0:
        try:
            found = json.loads(b"[" + text[start : end + 1] + b"]")
        except json.JSONDecodeError:
            # Inside an element: a few tries, however long it is.
            step = max(2 * step, end + 1 - start)
            continue
        yield found
        start, step = end + 2, size
    yield _member(json.loads(head[0] + text[start:]), member)


def _member(value: object, member: str) -> list[Any]:
    found = value.get(member) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
