"""The examples at the end of a command's help, of its page and of its manual page.

They stand in the command's module, as the text ``EXAMPLES``: a comment says what the lines after it
do, which are commands as a person types them. `tests/system/test_command_examples.py` runs them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What some commands do, as a sentence without its end, and the commands, one a line."""

    purpose: str
    commands: tuple[str, ...]


def examples_of(path: str) -> list[Example]:
    """Return the examples of a command, ``kvs``, or those of its page for one of its sub-commands,
    ``kvs get``.
    """
    name, *words = path.split()
    module = importlib.import_module(f"fluxctl.commands.{name.replace('-', '_')}")
    found = parsed(getattr(module, "EXAMPLES", ""))
    return [one for one in found if not words or _about(one, path)]


def _about(example: Example, path: str) -> bool:
    return any(f"flux {path} " in f"{line} " for line in example.commands)


def parsed(text: str) -> list[Example]:
    """Return the examples that a text holds."""
    found: list[Example] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            found.append(Example(line[2:], ()))
        else:
            found[-1] = Example(found[-1].purpose, (*found[-1].commands, line))
    return found


def shown(examples: list[Example]) -> str:
    """Return examples as help and manual pages show them."""
    blocks = (
        "\n".join([f"{one.purpose}:", *(f"  {line}" for line in one.commands)]) for one in examples
    )
    return "\n\n".join(blocks)
