"""Objects of flux-core's library end with a ``with`` block; here nothing has to be freed."""

from __future__ import annotations

from typing import Self


class Scoped:
    """Has a ``with`` block, so that programs written for flux-core run: its end changes nothing."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is held that the garbage collector does not free."""
