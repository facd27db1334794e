"""flux_pollevents(3): a handle in an event loop that is not Flux's, here one of `selectors`.

The loop asks the handle for what it is ready for before it sleeps, and sleeps on its descriptor.
"""

import selectors
from collections.abc import Callable

import flux
from flux.constants import FLUX_POLLERR, FLUX_POLLIN


class FluxWatcher:
    """Calls ``callback(handle, revents)`` as long as the handle is ready for ``events``."""

    def __init__(
        self, h: flux.Flux, events: int, callback: Callable[[flux.Flux, int], None]
    ) -> None:
        self.h, self.events, self.callback = h, events | FLUX_POLLERR, callback

    def ready(self) -> int:
        return self.h.pollevents() & self.events

    def check(self) -> None:
        revents = self.ready()
        if revents:
            self.callback(self.h, revents)


def show(h: flux.Flux, _revents: int) -> None:
    print(f"Event: {h.event_recv().topic}", flush=True)


with flux.Flux() as h, selectors.DefaultSelector() as loop:
    watcher = FluxWatcher(h, FLUX_POLLIN, show)
    loop.register(h, selectors.EVENT_READ, watcher)
    h.event_subscribe("")
    while True:
        # What has been taken already needs no sleep.
        loop.select(0 if watcher.ready() else None)
        watcher.check()
