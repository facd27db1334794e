"""The part of the application that does what the user's settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui import settings_file
from tui.keymap import check_keys
from tui.model.settings import TopSettings
from tui.theming import ThemedApp
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tui.widgets.palette import Glyphs

LOOK_SECONDS: Final = 2.0
"""How often the file of settings is looked at for changes."""


class ConfiguredApp(ThemedApp):
    """Has ``settings``, read from ``settings_path``, and takes them anew when that file changes.

    What is for the beginning (query, order, instances, ``ascii``, ``read-only``, ``refresh``) holds
    from the next start on.
    """

    SETTINGS_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f12", "reload", "Read the settings again", show=False, id="app.reload"),
    ]

    def __init__(
        self, settings: TopSettings | None, settings_path: Path | None, problems: Sequence[str]
    ) -> None:
        super().__init__()
        self.settings = settings or TopSettings()
        self.settings_path = settings_path
        self._problems = list(problems)
        self.own_keys: dict[str, str] = {}
        """Keys of the user's own commands, by the commands' names."""
        self._stamp = None if settings_path is None else settings_file.stamp(settings_path)

    def fitting_glyphs(self) -> Glyphs:
        """Return the signs that the terminal can show, if the settings do not say ASCII."""
        return palette.ASCII if self.settings.ascii else palette.terminal_glyphs()

    def on_load(self) -> None:
        """Have the theme before the style sheets are read with its colours."""
        self.add_themes(self.settings.themes.values())
        self.wear(self.settings.theme or self.fitting_theme)
        self.stylesheet.set_variables(self.get_css_variables())

    def start_settings(self) -> None:
        """Do what the settings say, and look after their file."""
        self.tell_problems([*self._problems, *self.take(self.settings)])
        self.set_interval(LOOK_SECONDS, self._look)

    def take(self, settings: TopSettings) -> list[str]:
        """Do what ``settings`` say; return what of it cannot be done."""
        keys, own, problems = check_keys(settings.keys, settings.commands, type(self))
        self.settings = settings
        self.set_keymap(keys)
        self._bind_own(own)
        self.add_themes(settings.themes.values())
        self.wear(settings.theme or self.fitting_theme)
        return located(settings, problems, self.settings_path)

    def _bind_own(self, own: dict[str, str]) -> None:
        """Give own commands their keys, and take away those they had before."""
        bound = self._bindings.key_to_bindings
        for key in self.own_keys.values():
            bound.pop(key, None)
        self.own_keys = own
        for name, key in own.items():
            command = self.settings.commands[name]
            words = command.description or command.command
            self.bind(key, f"own_command({name!r})", description=words, show=False)

    def tell_problems(self, problems: list[str]) -> None:
        """Say what cannot be used of the settings."""
        if problems:
            left = len(problems) - 1
            more = f" (and {left} more: flux top --check-config lists them)" if left else ""
            self.notify(problems[0] + more, severity="error", timeout=15)

    def seen_settings(self) -> None:
        """Take the file as it is now for known: we have written it."""
        if self.settings_path is not None:
            self._stamp = settings_file.stamp(self.settings_path)

    def _look(self) -> None:
        if self.settings_path is None:
            return
        stamp = settings_file.stamp(self.settings_path)
        if stamp != self._stamp:
            self._stamp = stamp
            if stamp is not None:  # an editor may be about to write it anew
                self.action_reload()

    def action_reload(self) -> None:
        """Read the settings again."""
        path = self.settings_path or settings_file.default_path()
        try:
            settings, problems = settings_file.load(path)
        except OSError as error:
            self.notify(str(error.strerror), severity="error", timeout=15)
            return
        self.settings_path, self._stamp = path, settings_file.stamp(path)
        problems += self.take(settings)
        if problems:
            self.tell_problems(problems)
        else:
            self.notify("the settings are read again", timeout=3)


def located(settings: TopSettings, problems: list[str], path: Path | None) -> list[str]:
    """Return sentences that begin with a key as ones that begin with file and line."""
    return [
        f"{path or 'settings'}:{settings.place(problem.partition(': ')[0])}: {problem}"
        for problem in problems
    ]
