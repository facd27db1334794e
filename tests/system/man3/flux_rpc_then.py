"""flux_rpc(3), second example: the same by a continuation."""

import flux
from flux.rpc import RPC


def continuation(future: RPC) -> None:
    print(f"rank is {future.get()['value']}")


with flux.Flux() as h:
    h.rpc("attr.get", {"name": "rank"}).then(continuation)
    h.reactor_run()
