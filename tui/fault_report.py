"""What is told of an exception that nothing caught, which ends the dashboard: one sentence on the
terminal, all of it in a file.
"""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from typing import TYPE_CHECKING, Final

from tui import settings_file
from tui.model import format as fmt

if TYPE_CHECKING:
    from pathlib import Path

REPORT: Final = "top-fault"


def tell_fault(error: BaseException) -> str:
    """Write the report of ``error``, for its owner alone, and return the sentence for the terminal.

    Values of variables stay out of both: they are what users wrote, and what nobody else is to see.
    """
    report = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')}\n{''.join(traceback.format_exception(error))}"
    path = settings_file.state_path(REPORT)
    where = f"the report is in {path}" if _written(path, report) else "no report could be written"
    what = traceback.format_exception_only(error)[-1].strip()
    text = f"a fault of the dashboard ended it, {what} ({_place(error)}); {where}"
    return f"flux top: error: {fmt.printable(text)}"


def _place(error: BaseException) -> str:
    """Return the file and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "nowhere"


def _written(path: Path, report: str) -> bool:
    with contextlib.suppress(OSError):
        # A message may hold what is no text, such as half a character of a name.
        settings_file.replace(path, report.encode(errors="backslashreplace").decode())
        return True
    return False
