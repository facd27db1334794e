"""Built-in plugins of the job shell.

They are made before an initrc runs and so read their options in ``wanted`` or later: an initrc may
set them.

A plugin has methods named after topics of flux-shell(1): ``shell.init`` is ``shell_init``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar, Final

from broker.shell.levels import ERROR
from flux.wire import json

if TYPE_CHECKING:
    from broker.shell.context import ShellContext


SWITCH: Final = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def shown(value: object) -> str:
    """Return the value of an option as it is told with an error: text as it is, the rest as
    JSON.
    """
    return value if isinstance(value, str) else json.dumps_str(value)


def switch(value: object) -> bool | None:
    """Return whether an option that is a switch is on, None if its value is neither true nor false,
    1 nor 0; one that is not set is off.
    """
    if value is None or value in (0, 1):
        return bool(value)
    return SWITCH.get(value) if isinstance(value, str) else None


class ShellPlugin:
    """Base of the built-in plugins; each handles one concern and has the callbacks it needs.

    One that ``is_asked_for`` is `wanted` only if the job has some shell option.
    """

    name: ClassVar[str]
    is_asked_for: ClassVar[bool] = False

    def __init__(self, shell: ShellContext) -> None:
        self.shell = shell

    def refused(self, option: str, value: object, expected: str) -> OSError:
        """Say that a shell option has a wrong value and what it should be; returns the error to
        raise, which ends the job.
        """
        text = f"{option}={shown(value)} is invalid: {expected}"
        self.shell.log(ERROR, text, self.name)
        return OSError(errno.EINVAL, text)

    def flag(self, option: str) -> bool:
        """Return whether an option that is a switch is on.

        Raises OSError(EINVAL) if its value is neither true nor false, 1 nor 0.
        """
        value = self.shell.option(option)
        found = switch(value)
        if found is None:
            raise self.refused(option, value, "it is true or false")
        return found

    def stop(self) -> None:
        """After a fatal error: the tasks are being killed, and what they still say is of no use."""

    def close(self) -> None:
        """At the end of the job: let go of descriptors, since the process may go on with others."""

    def wanted(self) -> bool:
        """Return False when the job's options make the plugin pointless; it is then not loaded."""
        return True
