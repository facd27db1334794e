"""Starting the brokers of ``flux start``: one, or several wired up by PMI, as children of this
process.

This process keeps them: while it lives they have a lifeline, what a broker leaves behind when it is
killed comes to this process and is killed too, and so is their run directory removed.
"""

from __future__ import annotations

import os
import sys

from fluxctl.broker_command import StartOptions, broker_argv, broker_here, is_executed
from fluxctl.errors import CommandError
from fluxctl.keeper import keep


def start(options: StartOptions) -> int:
    """Start the instance and return its exit code."""
    if options.size is None:
        return _start_single(options)
    if options.hosts and len(options.hosts) != options.size:
        raise CommandError("TEST_HOSTS hostlist has incorrect size")
    if options.size > 1 and any(map(_names_socket, options.broker_opts)):
        raise CommandError(f"local-uri is the socket of one broker, and there are {options.size}")
    from fluxctl.local_instance import LocalInstance

    return LocalInstance(options).run()


def _names_socket(option: str) -> bool:
    setting = option.removeprefix("--setattr=").removeprefix("-S")
    return setting.startswith("local-uri=")


def _start_single(options: StartOptions) -> int:
    argv = broker_argv(options, [], options.program)
    if options.verbose:
        sys.stderr.write(f"flux-start: {' '.join(argv)}\n")
    if options.noexec:
        return 0
    os.environ.pop("FLUX_START_URI", None)  # it is of the instance around this one
    return keep(lambda: _become_single(options, argv))


def _become_single(options: StartOptions, argv: list[str]) -> int:
    if not is_executed(options):
        return broker_here(options.broker_opts, options.program)
    try:
        os.execvp(argv[0], argv)
    except OSError as exc:
        sys.stderr.write(f"flux-start: error execing broker: {exc.strerror}\n")
        return 1
