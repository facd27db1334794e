"""What to add, for a person at a terminal, to a sentence about a name that nobody knows.

A program that reads our errors gets the sentences of flux-core alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.handle import Flux


def did_you_mean(word: str, known: Callable[[], Iterable[str]]) -> str:
    """Return ``(did you mean NAME?)``, a blank before it, for the known name that is most like a
    word; empty if none is, or nobody sees it. ``known`` is only called when somebody does.
    """
    if not sys.stderr.isatty():
        return ""
    from fluxctl.suggestions import nearest

    try:
        near = nearest(word, sorted(set(known())))
    except OSError:
        near = None  # the broker has gone meanwhile, which the sentence is not about
    return f" (did you mean {near}?)" if near else ""


def attributes(h: Flux) -> list[str]:
    """Return the names of the broker's attributes."""
    return list(h.rpc("attr.list").get()["names"])


def namespaces() -> list[str]:
    """Return the names of the namespaces of the instance."""
    from flux import kvs_rpc
    from fluxctl.command import handle

    with handle() as h:
        return [space["namespace"] for space in kvs_rpc.namespace_list(h)]


def modules(h: Flux) -> list[str]:
    """Return the names of the modules that the broker has loaded, and of their services."""
    found = h.rpc("broker.lsmod").get()["mods"]
    return [name for mod in found for name in (mod["name"], *mod["services"])]
