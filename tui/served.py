"""Whether this dashboard is one of those that ``flux top --serve`` has started, each on a terminal
that no shell is behind.
"""

from __future__ import annotations

import os
from typing import Final

SERVED: Final = "FLUX_TOP_SERVED"
"""Set in the environment of such a dashboard."""


def is_served() -> bool:
    """Whether the terminal of this process is a browser."""
    return bool(os.environ.get(SERVED))
