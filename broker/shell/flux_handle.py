"""The shell's handle to its broker, for plugins that talk to services (flux_shell_get_flux(3))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broker.shell.levels import ShellEnded, ShellFatal
from flux.core.handle import Flux

if TYPE_CHECKING:
    from broker.shell.loop import Loop


def connected(uri: str, loop: Loop, namespace: str) -> Flux:
    """Return a handle to ``uri`` whose reactor is served by ``loop``; its default in the key-value
    store is ``namespace``, the job's own (FLUX_KVS_NAMESPACE).

    A callback that raises ends the shell with ShellFatal. Raises OSError if it cannot connect.
    """
    os.environ["FLUX_KVS_NAMESPACE"] = namespace
    handle = Flux(uri)
    reactor = handle.get_reactor()

    def turn() -> float | None:
        try:
            return reactor.turn()
        except (ShellFatal, ShellEnded):
            raise
        except Exception as error:
            text = f"a callback of the handle failed: {type(error).__name__}: {error}"
            raise ShellFatal(text) from error

    loop.guests.append(turn)
    loop.add_reader(reactor.fileno(), lambda: None)
    return handle
