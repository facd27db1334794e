"""What a client of remote execution wants to run. No I/O."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.subprocess.streams import CHANNELS_MAX, STANDARD, StreamOptions
from flux.wire.json import loads

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

LABEL_MAX: Final = 256


class RemoteCommand(Struct, frozen=True):
    """What to run, as the ``cmd`` of a request says."""

    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    channels: list[str]
    options: StreamOptions
    label: str = ""

    @classmethod
    def parse(cls, text: str) -> RemoteCommand:
        """Return the command; raises OSError(EPROTO) if the text is not one, EINVAL for options or
        channels that cannot be.
        """
        try:
            command = loads(text)
        except ValueError as error:
            raise OSError(errno.EPROTO, "malformed command") from error
        return cls.of(command)

    @classmethod
    def of(cls, command: JsonObject) -> RemoteCommand:
        """Return the command that a JSON object describes; raises OSError as `parse` does."""
        try:
            argv = [str(word) for word in command["cmdline"]]
            env = {str(key): str(value) for key, value in command.get("env", {}).items()}
            opts = {str(key): str(value) for key, value in (command.get("opts") or {}).items()}
            channels = [str(name) for name in command.get("channels") or ()]
            cwd, label = command.get("cwd"), command.get("label") or ""
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(errno.EPROTO, "malformed command") from error
        if not argv or not isinstance(label, str) or not isinstance(cwd, str | None):
            raise OSError(errno.EPROTO, "malformed command")
        if len({*channels, *STANDARD}) != len(channels) + len(STANDARD):
            raise OSError(errno.EINVAL, "the names of channels are taken already")
        if not all(name and "=" not in name and "\0" not in name for name in channels):
            raise OSError(errno.EINVAL, "a channel has the name of an environment variable")
        if len(channels) > CHANNELS_MAX:
            raise OSError(errno.EINVAL, f"a process has at most {CHANNELS_MAX} channels")
        if len(label) > LABEL_MAX or not (label.isprintable() or not label):
            raise OSError(errno.EINVAL, f"a label has up to {LABEL_MAX} printable characters")
        return cls(argv, env, cwd, channels, StreamOptions.of(opts), label)

    def as_object(self) -> JsonObject:
        """Return the command as a JSON object, but for its options, which are this broker's own
        business.
        """
        return {
            "cwd": self.cwd,
            "label": self.label,
            "cmdline": self.argv,
            "env": self.env,
            "opts": {},
            "channels": self.channels,
            "msgchan": [],
        }
