"""flux_rpc(3), first example: an RPC that is waited for."""

import flux

with flux.Flux() as h:
    answer = h.rpc("attr.get", {"name": "rank"}).get()
    print(f"rank is {answer['value']}")
