"""A property that is computed once per object (flux.memoized_property in the manual)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def memoized_property(fget: Callable[[Any], T]) -> T:
    """Return a property that calls its getter on the first access only.

    Args:
        fget: the getter; its value is stored on the object as ``_NAME``.
    """
    name = "_" + fget.__name__

    def getter(self: Any) -> T:
        try:
            value: T = self.__dict__[name]
        except KeyError:
            value = self.__dict__[name] = fget(self)
        return value

    # Read on an object it is the value: that is what type checkers shall see.
    return cast("T", property(getter, doc=fget.__doc__))
