"""The shell option ``pty``: which tasks have a terminal, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from broker.shell.levels import WARNING
from broker.shell.plugin import switch
from flux.job.slots import decode_idset

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from broker.shell.context import ShellContext
    from flux.wire.json import JsonObject

    Refused = Callable[[str, object, str], OSError]

KEYS: Final = frozenset({"ranks", "capture", "interactive"})


@dataclass(frozen=True, slots=True)
class PtyOptions:
    """The tasks ``ranks`` have a terminal. That of task 0 is for clients if ``interactive``, and
    is part of the job's output only if ``captured``; those of the others always are.
    """

    ranks: Container[int]
    interactive: bool
    captured: bool


def read_options(shell: ShellContext, refused: Refused) -> PtyOptions | None:
    """Return what the job asks for, None if that is no terminal.

    A plain ``pty`` is an interactive one for the first task, as flux-shell(1) says. Raises what
    ``refused`` returns for a wrong option.
    """
    option = shell.option("pty")
    if not isinstance(option, dict):
        asked = switch(option)
        if asked is None:
            raise refused("pty", option, "it is true or false")
        return PtyOptions({0}, interactive=True, captured=False) if asked else None
    for name in sorted(option.keys() - KEYS):
        raise refused(f"pty.{name}", option[name], "there is no such option")
    interactive = _flag(option, "interactive", False, refused)
    captured = _flag(option, "capture", not interactive, refused)
    if not (interactive or captured):
        text = "nothing would show what tasks write without pty.interactive"
        raise refused("pty.capture", option["capture"], text)
    ranks = _ranks(shell, option.get("ranks", 0 if interactive else "all"), refused)
    if interactive and 0 not in ranks:
        if shell.leader:
            shell.log(WARNING, "adding pty to rank 0 for interactive support", "pty")
        ranks = {0, *ranks}
    return PtyOptions(ranks, interactive, captured)


def _flag(option: JsonObject, name: str, default: bool, refused: Refused) -> bool:
    if name not in option:
        return default
    value = switch(option[name])
    if value is None:
        raise refused(f"pty.{name}", option[name], "it is true or false")
    return value


def _ranks(shell: ShellContext, value: object, refused: Refused) -> set[int]:
    if value == "all":
        return set(range(shell.info.ntasks))
    try:
        if type(value) is int and value >= 0:
            return {value}
        if isinstance(value, str) and value:
            return set(decode_idset(value))
    except ValueError:
        pass
    raise refused("pty.ranks", value, "it is all, or ranks such as 0-3")
