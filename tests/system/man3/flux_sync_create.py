"""flux_sync_create(3): work at heartbeats that come at least SYNC_MIN seconds apart, and at the
latest every SYNC_MAX seconds. (The manual's program has the two the wrong way round.) This one ends
after three.
"""

import flux
from flux.event_future import SyncFuture

SYNC_MIN = 0.001
SYNC_MAX = 60.0

count = 0


def sync_continuation(future: SyncFuture) -> None:
    global count
    future.get()
    count += 1
    print(f"heartbeat {count}", flush=True)
    if count < 3:
        future.reset()


with flux.Flux() as h:
    h.sync_create(SYNC_MIN).then(sync_continuation, timeout=SYNC_MAX)
    h.reactor_run()
