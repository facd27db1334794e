"""flux_event_subscribe(3): subscribe to heartbeats, show one, quit."""

import flux

with flux.Flux() as h:
    h.event_subscribe("heartbeat.pulse")
    print(f"Event: {h.event_recv().topic}")
    h.event_unsubscribe("heartbeat.pulse")
