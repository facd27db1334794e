"""flux_recv(3): show events as they arrive."""

import flux
from flux.constants import FLUX_MSGTYPE_EVENT

with flux.Flux() as h:
    h.event_subscribe("")
    while True:
        message = h.recv(FLUX_MSGTYPE_EVENT)
        print(f"Event: {message.topic}", flush=True)
