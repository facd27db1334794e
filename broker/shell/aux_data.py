"""Data that plugins keep with the shell (flux_shell_aux_set(3))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Free = Callable[[object], object]


class AuxData:
    """Values by name, each with what frees it; those without a name are only freed."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[object, Free | None]] = {}
        self._anonymous: list[tuple[object, Free]] = []

    def set(self, name: str | None, value: object, free: Free | None = None) -> None:
        """Keep ``value``, and free the one before; None only frees.

        Raises OSError(EINVAL) if there is neither name nor value, nothing to free, or neither name
        nor ``free``.
        """
        if (value is None and (name is None or free is not None)) or (name is None and not free):
            raise OSError(errno.EINVAL, "nothing to keep")
        if name is None:
            if free is not None:
                self._anonymous.append((value, free))
            return
        _free(self._named.pop(name, None))
        if value is not None:
            self._named[name] = (value, free)

    def get(self, name: str) -> object:
        """Return the value of ``name``; raises OSError(ENOENT) if there is none."""
        try:
            return self._named[name][0]
        except KeyError:
            raise OSError(errno.ENOENT, f"no data {name}") from None

    def clear(self) -> None:
        """Free everything, the latest first."""
        while self._named:
            _free(self._named.popitem()[1])
        while self._anonymous:
            _free(self._anonymous.pop())


def _free(kept: tuple[object, Free | None] | None) -> None:
    if kept is not None and kept[1] is not None:
        kept[1](kept[0])
