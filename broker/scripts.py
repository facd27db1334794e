"""The programs that one broker runs in the foreground, one after the other: rc1, the initial
program, the commands of its clean-up, rc3.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from broker.initial import Program, argv_of, environ_of, stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.attributes import Attributes
    from broker.cleanup import CleanupCommands

INITIAL = "rc2"


class Scripts:
    """Runs them, and passes signals on to the one that runs.

    ``log`` takes a severity and a line; ``commands`` are those of the clean-up.
    """

    def __init__(
        self, attrs: Attributes, log: Callable[[int, str], None], commands: CleanupCommands
    ) -> None:
        self._attrs = attrs
        self._log = log
        self._commands = commands
        self._program: Program | None = None
        self._told = False

    @property
    def running(self) -> bool:
        """Whether a program runs now."""
        return self._program is not None and self._program.running

    async def rc(self, name: str, command: str) -> int:
        """Run a command of bash as the script ``name`` and return its exit code."""
        return await self._run(name, ["/bin/bash", "-c", command], quiet=True)

    async def initial(self, words: list[str]) -> int:
        """Run the initial program and return its exit code."""
        return await self._run(INITIAL, argv_of(words))

    async def cleanup(self) -> int | None:
        """Run the commands that were pushed, and those pushed meanwhile.

        One that fails does not keep the others from being run. Returns the first exit code that is
        not 0, otherwise 0, and None if there was no command.
        """
        code: int | None = None
        number = 0
        while (command := self._commands.pop()) is not None:
            argv = ["/bin/bash", "-c", command]
            found = await self._run(f"cleanup.{number}", argv, quiet=True, numbered=True)
            code = code or found
            number += 1
        return code

    async def _run(
        self, name: str, argv: list[str], *, quiet: bool = False, numbered: bool = False
    ) -> int:
        self._told = False
        self._program = Program(name if numbered else f"{name}.0", argv, self._log)
        return await self._program.run(environ_of(self._attrs.get("local-uri")), quiet=quiet)

    def signal(self, signum: int) -> None:
        """Pass a signal on to the program that runs, if one does."""
        if self._program is not None and self._program.running:
            self._program.kill(signum)
            self._told = True

    async def stop(self, delay: float) -> None:
        """End the program that runs, by harder signals each ``delay`` seconds."""
        if self._program is not None and self._program.running:
            await stop(self._program, delay, told=self._told)

    def abandon(self) -> None:
        """The time for clean-up and scripts is over: kill the one that runs, forget the others."""
        self._commands.close()
        self.signal(signal.SIGKILL)
