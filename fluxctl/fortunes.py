"""What ``flux fortune`` says."""

from __future__ import annotations

from typing import Final

FACTS: Final = (
    "A batch job is a whole Flux instance: `flux proxy JOBID flux jobs` looks into it.",
    "`flux pstree` shows the jobs of all instances below this one at once.",
    "flux submit --cc=1-100 submits a hundred copies; {cc} is the number of each.",
    "flux job last prints the id of the job that you have just submitted.",
    "Job ids begin with an f, so `flux cancel f2Kx` works where a keyboard has no \u0192.",
    "`flux jobs --query 'state:failed t>1h'` finds long jobs that came to nothing.",
    "A job that waits says why: look at the last column of `flux jobs`.",
    "Ctrl+C twice within two seconds cancels the job that flux run is attached to.",
    "Options of a batch script may stand in it: `# flux: -N2 --exclusive`.",
    "flux bulksubmit reads commands from stdin, so `find` can write them.",
    "`flux top` is a dashboard; ? shows its keys.",
)
FUN: Final = (
    "There are two hard things in scheduling: priorities, naming queues, and off-by-one ranks.",
    "Your job is very important to us. It is number 4,096 in the queue.",
    "A watched job never completes. Use --wait.",
    "It worked on rank 0.",
    "To err is human; to err on every node takes --tasks-per-node.",
    "Rank 0 is lonely at the top: it has children, but no parent.",
    "The best debugger is an exit code that you believe.",
    "sleep 3600: the most popular code of computational science.",
)
VALENTINES: Final = (
    "Roses are cyclic, violets are block; my heart is a task that ticks like a clock.",
    "You are the only node that my constraint allows.",
    "Let us be exclusive: -N2 -x.",
    "My urgency is 31 when I think of you.",
    "Two cores, one slot.",
)
ART: Final = (
    r"""
        ____
   ____/    \____      the tree
  /  0 \____/  1 \     of brokers
  \____/    \____/     sends its love
  /  2 \____/  3 \
  \____/    \____/
""",
    r"""
    _________
   |  f58    |__
   |  job    |  \_    next stop: INACTIVE
   |_________|____)
     (o)   (o)
""",
)

CATEGORIES: Final = {"valentines": VALENTINES, "fun": FUN, "facts": FACTS, "art": ART}
"""By name, what may be said."""
