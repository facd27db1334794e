"""flux_open(3): open a handle, ask for the rank, close it."""

import flux

h = flux.Flux()
print(f"My rank is {h.get_rank()}")
h.close()
