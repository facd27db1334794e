"""What ``batch`` and ``alloc`` tell the brokers of the instance that is a job: options, a
configuration, what is kept of it at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.options.configuration import BROKER_OPTION, NO_PROGRAM, BatchConfig

if TYPE_CHECKING:
    from fluxctl.mini.options import MiniOptions

DUMP: Final = "flux-{{jobid}}-dump.tgz"


def broker_options(options: MiniOptions) -> list[str]:
    """Return the options of the brokers, those of ``--broker-opts`` last."""
    found = []
    if options.dump is not None:
        found.append(f"-Scontent.dump={options.dump or DUMP}")
    if options.conf:
        found.append(BROKER_OPTION)
    if options.bg:
        found.append(NO_PROGRAM)
    return [*found, *options.broker_opts]


def configuration(options: MiniOptions) -> BatchConfig:
    """Return the configuration that the options ``--conf`` make, each adding to those before.

    Raises ValueError for one that cannot be read.
    """
    made = BatchConfig()
    for text in options.conf:
        made.update(text)
    return made
