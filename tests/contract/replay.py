"""Replay the recorded commands against a live instance of four brokers; keep what they print and
what they send.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux import install
from flux.testing.instance import Instance, running_instance
from tests.contract.normalise import RECORDED, Place, comparable, normalised
from tests.contract.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.wire.message import Message
    from tests.contract.recordings import Recording

BROKERS = 4
COMMAND_TIMEOUT = (
    15.0  # seconds that one recorded command may take; the slowest took 4 when recorded
)
TIMED_OUT = -1000  # exit code of a command that did not end


@dataclass(frozen=True)
class Outcome:
    """What a replayed command did."""

    recording: Recording
    exit: int
    stdout: str
    stderr: str
    seconds: float
    place: Place
    messages: tuple[tuple[bool, Message], ...] = ()
    """Pairs of (from the broker, message): what passed between the command and its broker."""

    def difference(self) -> str | None:
        """The first difference from the recording in a line or two, or None when it matches."""
        if self.exit == TIMED_OUT:
            return f"did not end within {self.seconds:.0f} s"
        for name, mine, theirs in (
            ("stdout", self.stdout, self.recording.stdout),
            ("stderr", self.stderr, self.recording.stderr),
        ):
            ours = comparable(normalised(mine, self.place, self.recording), self.recording, name)
            recorded = comparable(
                normalised(theirs, RECORDED, self.recording), self.recording, name
            )
            if ours != recorded:
                return _first_difference(name, ours, recorded)
        if self.exit != self.recording.exit:
            return f"exit code {self.exit}, recorded {self.recording.exit}"
        return None


def _first_difference(name: str, ours: list[str], recorded: list[str]) -> str:
    for number in range(max(len(ours), len(recorded))):
        mine = ours[number] if number < len(ours) else None
        theirs = recorded[number] if number < len(recorded) else None
        if mine != theirs:
            return f"{name} line {number + 1}: {_shown(mine)}, recorded {_shown(theirs)}"
    return f"{name} differs"


def _shown(line: str | None, limit: int = 300) -> str:
    if line is None:
        return "nothing"
    return repr(line if len(line) <= limit else line[:limit] + "…")


def place_of(instance: Instance, tap: Tap) -> Place:
    """Where a command runs that is listened to."""
    return Place(
        str(instance.home),
        instance.uri,
        instance.rundir,
        socket.gethostname(),
        instance.environment["PATH"],
        (f"{install.SHELL}/?.so", f"{install.SHELL}/?.lua"),
        tap.uri,
    )


def run(
    recording: Recording, instance: Instance, tap: Tap, timeout: float = COMMAND_TIMEOUT
) -> Outcome:
    """Run the command of `recording` in the instance's home directory, in a process group of its
    own, through a tap.
    """
    started = time.monotonic()
    messages = tap.begin()
    with subprocess.Popen(
        recording.command,
        cwd=instance.home,
        # As recorded: by a caller whose environment no flux had set up yet.
        env={k: v for k, v in instance.environment.items() if not k.startswith("LUA_")}
        | {"FLUX_URI": tap.uri},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            code = TIMED_OUT
    text = (stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))
    seconds = time.monotonic() - started
    tap.settle()
    place = place_of(instance, tap)
    return Outcome(recording, code, *text, seconds, place, tuple(messages))


def replay(
    recordings: Sequence[Recording], size: int = BROKERS, timeout: float = COMMAND_TIMEOUT
) -> Iterator[Outcome]:
    """Replay `recordings` in their order, each recorded instance against a fresh one of ours."""
    for number in sorted({recording.instance for recording in recordings}):
        with running_instance(size) as instance, Tap(instance.base / "tap", instance.uri) as tap:
            for recording in recordings:
                if recording.instance == number:
                    yield run(recording, instance, tap, timeout)
