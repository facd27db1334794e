"""A set of row numbers: a bit for each, so that a million blobs cost 125 KB while they are
marked.
"""

from __future__ import annotations

from typing import Final

_SHIFT: Final = 16
_BYTES: Final = 1 << (_SHIFT - 3)


class IdSet:
    """Non-negative numbers, in blocks of 65,536 that exist only where there are members."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Add a number; returns whether it is new."""
        block = self._blocks.get(number >> _SHIFT)
        if block is None:
            block = self._blocks[number >> _SHIFT] = bytearray(_BYTES)
        index, bit = (number >> 3) & (_BYTES - 1), 1 << (number & 7)
        if block[index] & bit:
            return False
        block[index] |= bit
        return True

    def __contains__(self, number: int) -> bool:
        block = self._blocks.get(number >> _SHIFT)
        return block is not None and bool(block[(number >> 3) & (_BYTES - 1)] & 1 << (number & 7))
