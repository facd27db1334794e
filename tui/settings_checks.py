"""Looking at settings without showing the dashboard."""

from __future__ import annotations

from pathlib import Path

from tui import settings_file
from tui.app import TopApp
from tui.configured import located
from tui.keymap import actions, check_keys


def mistakes(named: str | None) -> tuple[Path, list[str]]:
    """Return the file of settings and all that is wrong with it."""
    path = Path(named) if named else settings_file.default_path()
    try:
        settings, problems = settings_file.load(path)
    except OSError as error:
        return path, [str(error.strerror)]
    wrong_keys = check_keys(settings.keys, settings.commands, TopApp)[2]
    return path, problems + located(settings, wrong_keys, path)


def key_table() -> list[str]:
    """Return a line for each action: the name that settings know it by, its keys, what it does."""
    rows = [
        (name, " ".join(binding.key.split(",")), binding.tooltip or binding.description)
        for name, binding in sorted(actions(TopApp).items())
    ]
    name, keys = (max(len(row[place]) for row in rows) for place in (0, 1))
    return [f"{row[0]:<{name}}  {row[1]:<{keys}}  {row[2]}".rstrip() for row in rows]
