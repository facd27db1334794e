"""flux_get_rank(3): rank and size."""

import flux

with flux.Flux() as h:
    rank, size = h.get_rank(), h.get_size()
print(f"rank {rank} of {size}")
