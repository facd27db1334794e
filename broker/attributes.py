"""Broker attributes (flux-broker-attributes(7)): named strings that tell of one broker."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMMUTABLE = 1
READONLY = 2
ACTIVE = 4
LEAST_INTEGER: Final = -(1 << 31)
GREATEST_INTEGER: Final = (1 << 31) - 1


class _Attribute(Struct):
    value: str | None
    flags: int = 0
    getter: Callable[[], str | None] | None = None
    setter: Callable[[str], None] | None = None


class Attributes:
    """The attributes of one broker.

    An active attribute calls a getter or a setter, which raises OSError(EINVAL) for a value it
    refuses. An immutable one keeps its value for the life of the broker; a read-only one is changed
    by the broker only.
    """

    def __init__(self) -> None:
        self._table: dict[str, _Attribute] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._table))

    def define(self, name: str, value: str | None, *, immutable: bool = False) -> None:
        """Set an attribute from inside the broker; a value given before on the command line is
        replaced.
        """
        self._table[name] = _Attribute(value, IMMUTABLE if immutable else 0)

    def default(self, name: str, value: str | None, *, immutable: bool = False) -> str | None:
        """Give an attribute a value unless it has one; returns the value in force."""
        entry = self._table.get(name)
        if entry is None:
            entry = self._table[name] = _Attribute(value)
        if immutable:
            entry.flags |= IMMUTABLE
        return entry.value

    def define_active(
        self,
        name: str,
        getter: Callable[[], str | None],
        setter: Callable[[str], None] | None = None,
    ) -> None:
        """Add an attribute whose value is computed; a value set before is given to ``setter``."""
        before = self._table.get(name)
        self._table[name] = _Attribute(
            None, ACTIVE if setter else ACTIVE | READONLY, getter, setter
        )
        if before is not None and before.value is not None and setter is not None:
            try:
                setter(before.value)
            except OSError as exc:
                plain = exc.strerror == os_error(exc.errno or 0).strerror
                text = f"invalid value '{before.value}'" if plain else exc.strerror
                raise OSError(exc.errno, f"{name}: {text}") from None

    def define_number(
        self,
        name: str,
        holder: object,
        field: str,
        *,
        least: int = LEAST_INTEGER,
        most: int = GREATEST_INTEGER,
    ) -> None:
        """Add an attribute that shows and changes the number ``field`` of an object; one below
        ``least`` or above ``most`` is refused.
        """

        def change(value: str) -> None:
            number = integer(value)
            if not least <= number <= most:
                raise os_error(errno.EINVAL)
            setattr(holder, field, number)

        self.define_active(name, lambda: str(getattr(holder, field)), change)

    def get(self, name: str) -> str | None:
        """Return a value, None if the attribute is unknown or has none."""
        entry = self._table.get(name)
        if entry is None:
            return None
        return entry.getter() if entry.getter else entry.value

    def flags(self, name: str) -> int:
        """Return the flags of a known attribute: 1 immutable, 2 read-only, 4 active."""
        return self._table[name].flags

    def set(self, name: str, value: str) -> None:
        """Change or add an attribute; raises OSError(EPERM) if it may not be changed, EINVAL if the
        value is refused.
        """
        entry = self._table.get(name)
        if entry is None:
            self._table[name] = _Attribute(value)
            return
        if entry.flags & (IMMUTABLE | READONLY):
            raise os_error(errno.EPERM)
        if entry.setter:
            entry.setter(value)
        else:
            entry.value = value

    def remove(self, name: str) -> None:
        """Delete an attribute; raises OSError: ENOENT if unknown, EPERM if it has to stay."""
        entry = self._table.get(name)
        if entry is None:
            raise os_error(errno.ENOENT)
        if entry.flags:
            raise os_error(errno.EPERM)
        del self._table[name]


def constant(_: str) -> None:
    """Refuse a change, as the setter of an attribute that states a fact; raises OSError(EPERM)."""
    raise os_error(errno.EPERM)


def integer(value: str) -> int:
    """Return ``value`` as an integer of 32 bits; raises OSError(EINVAL) if it is not one."""
    try:
        number = int(value, 0)
    except ValueError:
        number = 1 << 32
    if not LEAST_INTEGER <= number <= GREATEST_INTEGER:
        raise os_error(errno.EINVAL)
    return number


def bounded(attrs: Attributes, name: str, default: int, least: int, most: int) -> int:
    """Return the number in an attribute, which gets ``default`` if it is not set; raises
    OSError(EINVAL) if it is out of bounds.
    """
    text = attrs.default(name, str(default))
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise OSError(errno.EINVAL, f"{name}: invalid value '{text[:100]}'")
    return int(text)
