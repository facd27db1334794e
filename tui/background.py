"""Work beside the screen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual.dom import DOMNode
    from textual.worker import Worker

P = ParamSpec("P")


def in_background(
    node: DOMNode,
    work: Callable[P, Coroutine[None, None, None]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Worker[None]:
    """Do ``work`` until it is done or ``node`` is gone; what it raises is kept by the worker.

    It is called when it begins: work that is ended before that never was, while a coroutine that
    was made of it would be one that nobody waited for.
    """
    worker: Worker[None] = node.run_worker(partial(work, *args, **kwargs), exit_on_error=False)
    return worker
