"""``python -m tui.pictures.story FILE``: a session at a shell, filmed. An instance is started, a
list is piped into jobs, and the dashboard shows them.

All of it is real: the instance, the jobs, the keys. It needs tmux.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from tui.pictures.film import Frame, Scene, draw, gathered
from tui.pictures.stage import Stage

SIZE: Final = (104, 30)
LONGEST: Final = 1.2
"""Seconds that the film stands still at most: how long an instance takes to start is another story,
told by docs/performance.md.
"""
_ALIGN: Final = """#!/bin/sh
# Of a hundred genomes, some cannot be read.
case $1 in *7) sleep 0.2; echo "genome-$1.fa: unexpected end of file" >&2; exit 3;; esac
sleep 0.$(( $1 % 7 + 1 ))
echo "genome-$1: 1,204 reads aligned"
"""


def main(arguments: list[str]) -> int:
    """Film the story and write it; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="film-") as name:
        place = Path(name)
        script = place / "align"
        script.write_text(_ALIGN)
        script.chmod(0o755)
        stage = Stage(place, SIZE, _environment(place))
        try:
            frames, poster = play(stage)
        finally:
            stage.close()
    picture = draw(frames, SIZE, Scene("flux: jobs by the hundred, live"), poster)
    Path(arguments[0]).write_text(picture, encoding="utf-8")
    seconds = sum(frame.seconds for frame in frames)
    print(f"{arguments[0]}: {seconds:.0f} s, {len(frames)} frames, {len(picture):,} bytes")
    return 0


def _environment(place: Path) -> dict[str, str]:
    folder = Path(sys.executable).parent
    return {
        "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "TERM": "tmux-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
        "PS1": "$ ",
        "PWD": str(place),
    }


def play(stage: Stage) -> tuple[list[Frame], int]:
    """Play the story; returns its frames, and which of them shows most."""
    stage.until("$")
    stage.press("cd", "Space", "~", "Enter", "clear", "Enter", pause=0.2)
    stage.film()
    stage.rest(0.6)
    stage.write("flux start -s4")
    stage.until_prompt("$")
    stage.rest(0.5)
    stage.write("seq 1 400 | flux bulksubmit --quiet ./align {}")
    stage.until_prompt("$")
    stage.rest(0.4)
    stage.write("flux top")
    stage.until("JOBID")
    stage.rest(3.0)
    stage.press("l", pause=2.0)
    stage.press("h", pause=1.0)
    stage.press("4", pause=1.0)
    stage.press("l", "Down", "Down", pause=0.6)
    stage.press("Enter", pause=0.3)
    stage.until("unexpected end of file")
    stage.rest(3.0)
    stage.press("Escape", pause=0.8)
    stage.press("1", pause=1.2)
    stage.press("q", pause=0.8)
    frames = [Frame(frame.lines, min(frame.seconds, LONGEST)) for frame in gathered(stage.cut())]
    return frames, most_colourful(frames)


def most_colourful(frames: list[Frame]) -> int:
    """Return the number of the frame with the most inks on it: the one that shows most."""
    inks = [len({part.look.ink for line in frame.lines for part in line}) for frame in frames]
    return inks.index(max(inks))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
