"""URIs that no waiting makes reachable: told before anything is drawn.

The dashboard waits for a broker that is not there yet, and one that has gone may come back.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from flux import connect
from fluxctl.errors import CommandError
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable


def refuse_hopeless(uri: str, status: Callable[[str], os.stat_result] = os.stat) -> None:
    """Raise CommandError for a URI of no known form, for a place that this user may not enter, for
    a file that is no socket.
    """
    if connect.is_remote(uri):
        return
    try:
        path = connect.local_path(uri)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise CommandError(f"{uri}: {reason}; a URI begins with local:// or ssh://") from None
    try:
        mode = status(path).st_mode
    except PermissionError:
        raise CommandError(f"{uri}: permission denied: {_whose(path, status)}") from None
    except OSError:
        return  # not there yet
    if not stat.S_ISSOCK(mode):
        raise CommandError(f"{uri}: that is no socket of a broker, which is called local-0 or so")
    if not os.access(path, os.W_OK):
        raise CommandError(f"{uri}: permission denied: {_whose(path, status)}")


def refuse_unknown_queue(uri: str, name: str) -> None:
    """Raise CommandError if the instance at ``uri`` has no queue ``name``.

    One that does not answer, or tells no queues, is left to the dashboard, which waits for it.
    """
    from flux.core.handle import Flux
    from flux.queue import queue_names

    try:
        with Flux(uri) as handle:
            names = queue_names(handle)
    except OSError:
        return
    if name not in names:
        raise CommandError(f"queue {name} not configured", hint=suggestion(name, names))


def _whose(path: str, status: Callable[[str], os.stat_result]) -> str:
    """Return a sentence on whom to ask."""
    import pwd

    ask = "who can let others in (access.allow-guest-user)"
    place = path
    while (place := os.path.dirname(place)) not in ("", "/"):
        try:
            owner = pwd.getpwuid(status(place).st_uid).pw_name
        except (OSError, KeyError):
            continue
        return f"the instance is {owner}'s, {ask}"
    return f"the instance is another user's, {ask}"
