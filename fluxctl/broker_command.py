"""The options of ``flux start``, and the command that a broker is: a fork of this program, or a
program of its own.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

from flux import install


@dataclass
class StartOptions:
    """The options of flux-start(1); ``size`` is None without --test-size, durations are seconds."""

    size: int | None = None
    broker_opts: list[str] = field(default_factory=list)
    wrap: list[str] = field(default_factory=list)
    program: list[str] = field(default_factory=list)
    verbose: int = 0
    noexec: bool = False
    rundir: str | None = None
    test_rundir: str | None = None
    test_rundir_cleanup: bool = False
    hosts: list[str] = field(default_factory=list)
    exit_timeout: float = 20.0
    exit_mode: str = "any"
    start_mode: str = "all"
    clique: str = "single"


def broker_argv(options: StartOptions, extra: list[str], program: list[str]) -> list[str]:
    flux = os.path.abspath(sys.argv[0])
    if (own := substitute()) is not None:
        broker = [own]
    elif os.access(flux, os.X_OK):
        broker = [flux, "broker"]
    else:
        broker = [sys.executable, "-m", "fluxctl.main", "broker"]
    return [*options.wrap, *broker, *extra, *options.broker_opts, *program]


def substitute() -> str | None:
    """Return the ``flux-broker`` that FLUX_EXEC_PATH finds before our own; None for our own."""
    for folder in os.environ.get("FLUX_EXEC_PATH", "").split(":"):
        if folder == install.COMMANDS:
            return None
        file = os.path.join(folder, "flux-broker")
        if folder and os.access(file, os.X_OK) and os.path.isfile(file):
            return file
    return None


def is_executed(options: StartOptions) -> bool:
    """Whether brokers are programs of their own, not forks of this one."""
    return bool(options.wrap) or substitute() is not None


def broker_here(opts: list[str], program: list[str]) -> int:
    """Run ``flux broker`` in this process."""
    from fluxctl.main import invoke

    return invoke("broker", [*opts, *(["--", *program] if program else [])])
