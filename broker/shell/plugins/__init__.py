"""The built-in shell plugins, one concern each, in the order they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.shell.plugins.affinity import AffinityPlugin
from broker.shell.plugins.batch import BatchPlugin
from broker.shell.plugins.doom import DoomPlugin
from broker.shell.plugins.files import FilesPlugin
from broker.shell.plugins.gpubind import GpuBindPlugin
from broker.shell.plugins.input import InputPlugin
from broker.shell.plugins.kill import KillPlugin
from broker.shell.plugins.mpi import MpiPlugin
from broker.shell.plugins.oom import OomPlugin
from broker.shell.plugins.output import OutputPlugin
from broker.shell.plugins.pmi import PmiPlugin
from broker.shell.plugins.proctable import ProctablePlugin
from broker.shell.plugins.pty import PtyPlugin
from broker.shell.plugins.rlimit import RlimitPlugin
from broker.shell.plugins.stage_in import StageInPlugin
from broker.shell.plugins.tracestop import TraceStopPlugin
from broker.shell.plugins.warning_signal import SignalPlugin

if TYPE_CHECKING:
    from broker.shell.plugin import ShellPlugin

BUILTINS: tuple[type[ShellPlugin], ...] = (
    KillPlugin,
    BatchPlugin,
    FilesPlugin,
    StageInPlugin,
    PtyPlugin,
    InputPlugin,
    OutputPlugin,
    PmiPlugin,
    ProctablePlugin,
    AffinityPlugin,
    GpuBindPlugin,
    RlimitPlugin,
    OomPlugin,
    SignalPlugin,
    MpiPlugin,
    TraceStopPlugin,
    DoomPlugin,
)

USUAL: tuple[type[ShellPlugin], ...] = tuple(kind for kind in BUILTINS if not kind.is_asked_for)
"""Those of a job without shell options."""
