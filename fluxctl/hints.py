"""What may be meant by a word that nobody knows.

A mistyped word of the command line itself, such as an option, a field or a state, has a line of its
own after the sentence about it: ``flux-jobs: did you mean running?``. To a sentence about a name
that the broker does not know the suggestion is added for a person at a terminal: a program that
reads our errors gets the sentences of flux-core alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from flux.core.handle import Flux


def did_you_mean(word: str, known: Callable[[], Iterable[str]]) -> str:
    """Return ``(did you mean NAME?)``, a blank before it, for the known name that is most like a
    word; empty if none is, or nobody sees it. ``known`` is only called when somebody does.
    """
    if not sys.stderr.isatty():
        return ""
    from fluxctl.command import nearest

    try:
        near = nearest(word, sorted(set(known())))
    except OSError:
        near = None  # the broker has gone meanwhile, which the sentence is not about
    return f" (did you mean {near}?)" if near else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?`` for the known word that is most like a mistyped one, for the
    line after the sentence about it; empty if none is.
    """
    from fluxctl.command import nearest

    near = nearest(word, sorted(set(known)))
    return f"did you mean {near}?" if near else ""


def for_a_person(hint: str) -> str:
    """Return a suggestion if somebody sees it, else nothing: for the commands of which flux-core's
    users have scripts that compare every line.
    """
    return hint if sys.stderr.isatty() else ""


def queue_suggestion(flux: Flux, wanted: Iterable[str]) -> str:
    """Return the suggestion for the first of some names of queues that there is not; empty if the
    broker does not tell which there are.
    """
    from flux.queue import queue_names

    try:
        known = queue_names(flux)
    except OSError:
        return ""
    return suggestion(next((name for name in wanted if name not in known), ""), known)


def usage_hint(exc: click.UsageError) -> str:
    """Return the suggestion for a usage error: the option or the choice that is like the one that
    was typed; empty if there is none.
    """
    from click import BadParameter, Choice
    from click.exceptions import NoSuchOption

    if isinstance(exc, NoSuchOption):
        # Without the dashes, which make all options alike.
        names = {name.lstrip("-"): name for name in _options(exc.ctx)}
        hint = suggestion(exc.option_name.lstrip("-"), names)
        return hint.replace("mean ", "mean --") if hint else ""
    if isinstance(exc, BadParameter) and exc.param is not None:
        kind = exc.param.type
        typed = exc.message.partition("'")[2].partition("'")[0]
        if isinstance(kind, Choice) and typed:
            return suggestion(typed, map(str, kind.choices))
    return ""


def _options(ctx: click.Context | None) -> list[str]:
    """Return the long options of the running command."""
    params = [] if ctx is None else ctx.command.get_params(ctx)
    return [name for param in params for name in param.opts if name.startswith("--")]


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
