"""flux_send(3): publish an event."""

import flux

with flux.Flux() as h:
    h.send(h.event_create("snack.bar.closing"))
