"""Built-in plugins of the job shell.

A plugin has methods named after topics of flux-shell(1): ``shell.init`` is ``shell_init``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from broker.shell.context import ShellContext


class ShellPlugin:
    """Base of the built-in plugins; each handles one concern and has the callbacks it needs."""

    name: ClassVar[str]

    def __init__(self, shell: ShellContext) -> None:
        self.shell = shell

    def wanted(self) -> bool:
        """Return False when the job's options make the plugin pointless; it is then not loaded."""
        return True
