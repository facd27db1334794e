"""The states of a broker, from start to exit, as a table.

A broker joins its parent, initializes (rc1), waits for the quorum, runs (rank 0: the initial
program), cleans up, waits for the brokers below it to finish, and finalizes (rc3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TRANSITIONS: dict[tuple[str, str], str] = {
    ("none", "start"): "join",
    ("join", "parent-ready"): "init",
    ("join", "parent-none"): "init",
    ("join", "parent-fail"): "shutdown",
    ("join", "shutdown"): "shutdown",
    ("init", "rc1-success"): "quorum",
    ("init", "rc1-none"): "quorum",
    ("init", "rc1-fail"): "shutdown",
    ("init", "shutdown"): "shutdown",
    ("quorum", "quorum-full"): "run",
    ("quorum", "quorum-fail"): "shutdown",
    ("quorum", "shutdown"): "shutdown",
    ("run", "rc2-success"): "cleanup",
    ("run", "rc2-fail"): "cleanup",
    ("run", "shutdown"): "cleanup",
    ("cleanup", "cleanup-success"): "shutdown",
    ("cleanup", "cleanup-none"): "shutdown",
    ("cleanup", "cleanup-fail"): "shutdown",
    ("shutdown", "children-complete"): "finalize",
    ("shutdown", "children-none"): "finalize",
    ("shutdown", "children-timeout"): "finalize",
    ("finalize", "rc3-success"): "exit",
    ("finalize", "rc3-none"): "exit",
    ("finalize", "rc3-fail"): "exit",
}
"""(state, event) to the next state; an event without an entry is ignored in that state."""

FAILURES: dict[str, str] = {
    "join": "parent-fail",
    "init": "rc1-fail",
    "quorum": "shutdown",
    "run": "shutdown",
    "cleanup": "cleanup-fail",
    "shutdown": "children-timeout",
    "finalize": "rc3-fail",
    "exit": "",
}
"""The event to post when the work of a state raises something: it ends that state. Nothing comes
after the exit."""

STATE_NUMBERS: dict[str, int] = {
    state: number
    for number, state in enumerate(
        ("none", "join", "init", "quorum", "run", "cleanup", "shutdown", "finalize", "exit")
    )
}
"""What ``state-machine.monitor`` calls the states."""

BEFORE_RUN = frozenset({"none", "join", "init", "quorum"})
"""The states in which the instance cannot be used yet."""


class Runlevel:
    """The state of one broker.

    ``now`` returns seconds; ``log`` gets a line for each transition; ``entered`` is called with
    each new state.
    """

    def __init__(
        self, now: Callable[[], float], log: Callable[[str], None], entered: Callable[[str], None]
    ) -> None:
        self.state = "none"
        self._now = now
        self._since = now()
        self._log = log
        self._entered = entered

    @property
    def number(self) -> int:
        """The number of the state."""
        return STATE_NUMBERS[self.state]

    @property
    def seconds(self) -> float:
        """For how long the state has been this one."""
        return self._now() - self._since

    def post(self, event: str) -> bool:
        """Apply an event; returns whether it changed the state."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            return False
        now = self._now()
        self._log(f"{event}: {self.state}->{after} {now - self._since:.6g}s")
        self.state, self._since = after, now
        self._entered(after)
        return True
