"""Beginning and ending the recording of an instance that is shown."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tui.feed.recorder import Recorder
from tui.feed.recording import RecordedFeed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.feed.replay import ReplayFeed
    from tui.session import Session


def begin(session: Session, path: Path, failed: Callable[[str], None]) -> None:
    """Record from now on what ``session`` is told, in a new file; ``failed`` is called with a
    sentence if the recording has to end. Raises OSError if the file cannot be made.
    """
    recorder = Recorder(path, session.dashboard, failed)
    inner = session.feed.inner if isinstance(session.feed, RecordedFeed) else session.feed
    session.feed = RecordedFeed(inner, recorder)


def end(session: Session) -> Path | None:
    """End the recording; returns its file, None if none was being made."""
    feed = session.feed
    if not isinstance(feed, RecordedFeed):
        return None
    going_on = feed.recorder.recording
    feed.recorder.close()
    session.feed = feed.inner
    return feed.recorder.path if going_on else None


def new_path(name: str, now: float) -> Path:
    """Return a file for a recording of the instance that is called ``name``, in the working
    directory.
    """
    place = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:40] or "flux"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return Path(f"flux-top-{place}-{stamp}.jsonl.gz")


def open_replay(name: str) -> ReplayFeed:
    """Return the feed of a recording: of a file, or of standard input for ``-``; then keys are read
    from the terminal itself. Raises OSError.
    """
    from tui.feed.replay import ReplayFeed

    if name != "-":
        return ReplayFeed(name)
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    pipe = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    os.dup2(terminal, 0)
    os.close(terminal)
    return ReplayFeed(name, pipe)
