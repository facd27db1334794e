"""The arguments of the resource module. Pure."""

from __future__ import annotations

import errno

from msgspec import Struct


class ModuleOptions(Struct, frozen=True):
    """What the module was loaded with.

    ``exclude`` names ranks, as an idset or hostlist, that are not scheduled; ``verify`` tells
    whether ranks that lack what a given R says of them are drained; ``force_up`` has all ranks
    count as up at once.
    """

    exclude: str = ""
    verify: bool = True
    force_up: bool = False


def parse_options(args: list[str]) -> ModuleOptions:
    """Return the options that module arguments stand for; raises OSError(EINVAL) for another."""
    exclude, verify, force_up = "", True, False
    for arg in args:
        key, _, value = arg.partition("=")
        if key == "exclude":
            exclude = value
        elif arg == "noverify":
            verify = False
        elif arg == "monitor-force-up":
            force_up = True
        else:
            raise OSError(errno.EINVAL, f"unknown option: {arg}")
    return ModuleOptions(exclude, verify, force_up)
