"""The part of the application that runs commands of the user's own, and keeps views."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui import processes, settings_file
from tui.commanding import CommandingApp
from tui.model.columns import BY_NAME
from tui.model.commands import SETTINGS, split, unknown
from tui.model.query import Query
from tui.model.settings import KEYS, SavedView, TopSettings, read_settings

if TYPE_CHECKING:
    from tui.model.settings import OwnCommand

SHELL = "/bin/sh"
_VIEW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")


class OwnCommandsApp(CommandingApp):
    """Runs the commands of the settings, changes settings, and keeps views in their file."""

    VIEW_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "views", "Views", tooltip="Choose a saved view", show=False, id="app.views"),
    ]

    # Own commands

    def action_own_command(self, name: str) -> None:
        """Run one of the user's own commands for the jobs that are chosen, after asking if it says
        so.
        """
        command = self.settings.commands[name]
        if self.dashboard.read_only:
            self.notify(
                f"this dashboard is read-only: {name} may change something", severity="error"
            )
            return
        ids = self.chosen_ids()
        jobs = self.chosen_jobs()
        if re.search(r"\{ids?\}|FLUX_JOBID", command.command) and not ids:
            self.notify("no job is chosen", severity="warning")
        elif "{id}" in command.command and len(ids) > 1:
            self.notify(f"{name} is for one job, {len(ids)} are marked", severity="warning")
        elif command.confirm and jobs is not None and ids:
            self.ask_for(f"Run {name} for", jobs, lambda: self._run_own(command, ids))
        else:
            self._run_own(command, ids)

    def _run_own(self, command: OwnCommand, ids: list[str]) -> None:
        text = command.command.replace("{ids}", " ".join(ids))
        text = text.replace("{id}", ids[0] if ids else "")
        jobs = {"FLUX_JOBID": ids[0] if ids else "", "FLUX_JOBIDS": " ".join(ids)}
        env = processes.environment(self.dashboard.instance.uri, jobs)
        words = [SHELL, "-c", text]
        if command.background:
            work = self._run_unseen(command.name, words, env)
            self.run_worker(work, group="own", exit_on_error=False)
        else:
            from tui.screens.output import OutputScreen

            self.push_screen(OutputScreen(command.name, words, env))

    async def _run_unseen(
        self, name: str, words: list[str], env: dict[str, str], *, quiet: bool = False
    ) -> None:
        """Run a command and tell how it ended, with the last line it wrote to standard error; with
        ``quiet`` only if it failed.
        """
        running, last = processes.LineCommand(words, env), ""
        try:
            async for stream, lines in running.lines():
                if stream == "stderr":
                    last = lines[-1]
        except OSError as error:
            self.notify(f"{name} cannot be run: {error.strerror}", severity="error")
            return
        finally:
            await running.end()
        if running.status:
            why = f": {last}" if last else ""
            self.notify(f"{name}: exit code {running.status}{why}", severity="error")
        elif not quiet:
            self.notify(f"{name}: done", timeout=3)

    # Views

    def action_views(self) -> None:
        """Choose a saved view."""
        if not self.settings.views:
            self.notify("no views yet: :save-view NAME saves filter and order")
            return
        choices = [(name, name, _about(view)) for name, view in self.settings.views.items()]

        def chosen(name: str | None) -> None:
            if name:
                self.run_line(f"view {name}")

        from tui.screens.prompt import MenuScreen

        self.push_screen(MenuScreen("Which view?", choices), chosen)

    def do_view(self, rest: str) -> None:
        """Look at the jobs as a saved view says."""
        self.use_view(rest)

    def use_view(self, name: str) -> None:
        """Look at the jobs as a saved view says; raises ValueError if there is none."""
        view = self.settings.views.get(name)
        if view is None:
            if not self.settings.views:
                raise ValueError(f"no view {name}; there are none yet: :save-view NAME makes one")
            raise unknown("view", name, self.settings.views)
        screen = self.jobs_screen()
        if view.columns:
            self.dashboard.show_format(view.columns)
        if view.group is not None:
            self.dashboard.set_grouping(view.group)
        if view.sort:
            self.sort_by(view.sort)
        screen.set_filter(view.query)

    def do_columns(self, rest: str) -> None:
        """Show the columns of an output format, without one those that tell jobs apart."""
        self.dashboard.show_format(rest)
        self.jobs_screen().live_update()

    def do_group(self, rest: str) -> None:
        """Show each set of like jobs as one line, or every job by itself."""
        if rest not in ("on", "off"):
            raise ValueError("it is written :group on or :group off")
        self.dashboard.set_grouping(rest == "on")
        self.jobs_screen().live_update()

    def sort_by(self, column: str) -> None:
        """Sort by a column; with ``-`` before it in the other order. Raises ValueError."""
        name = column.removeprefix("-")
        known = dict.fromkeys((*BY_NAME, *(shown.name for shown in self.dashboard.columns)))
        if name not in known:
            raise unknown("column", name, known)
        self.jobs_screen().sort_by(name, column.startswith("-"))

    def do_save_view(self, rest: str) -> None:
        """Save filter and order as a view in the file of settings."""
        if not _VIEW_NAME.match(rest):
            raise ValueError("names of views are of letters, digits, and . _ -, at most 32")
        view = self.dashboard.view
        # By a field of its columns alone: those are not there when it is read.
        by_own = view.column.name not in BY_NAME
        sort = "" if by_own else ("-" if view.reverse else "") + view.column.name
        before = self.settings.views.get(rest, SavedView(rest))
        saved = before._replace(
            query=view.query.text,
            sort=sort,
            columns=self.dashboard.format,
            group=self.dashboard.grouping,
        )
        path = self.settings_path or settings_file.default_path()
        settings_file.save_view(path, saved)
        self.settings_path = path
        self.seen_settings()
        views = {**self.settings.views, rest: saved}
        self.settings = dataclasses.replace(self.settings, views=views)
        self.notify(f"view {rest} is saved in {path}")

    # Settings until the end

    def do_set(self, rest: str) -> None:
        """Change a setting until the dashboard ends."""
        key, value = split(rest)
        if key not in SETTINGS and key in KEYS[""]:
            raise ValueError(f"{key} is for the file of settings only")
        if key not in SETTINGS:
            raise unknown("setting", key, SETTINGS)
        settings, problems = _one_setting(key, value)
        # A name of a user's theme is not in that line.
        if problems and not (key == "theme" and value in self.colour_themes):
            raise ValueError(problems[0].partition(": ")[2])
        match key.partition("."):
            case ("theme", _, _):
                self.do_theme(value)
            case ("sort", _, _):
                self.sort_by(value)
            case ("query", _, _):
                Query.parse(value)
                self.jobs_screen().set_filter(value)
            case ("submit", _, _):
                self.settings = dataclasses.replace(self.settings, submit=value)
            case ("read-only", _, _):
                self._set_read_only(settings.read_only)
            case (_, _, name):
                changed = {name: getattr(settings.notify, name)}
                rules = self.settings.notify._replace(**changed)
                self.settings = dataclasses.replace(self.settings, notify=rules)

    def _set_read_only(self, wanted: bool) -> None:
        if not wanted:
            raise ValueError("what is read-only stays so: start flux top anew to change jobs")
        self.dashboard.read_only = True
        self.dashboard.revision += 1
        self.screen.refresh_bindings()


def _one_setting(key: str, value: str) -> tuple[TopSettings, list[str]]:
    """Return the settings that a value makes, and what is wrong with it: as TOML has it, or as a
    text that is written without its quotes.
    """
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    as_text = read_settings(f'{key} = "{quoted}"', key)
    try:
        found = read_settings(f"{key} = {value}", key)
    except OSError:
        return as_text
    return as_text if found[1] and not as_text[1] else found


def _about(view: SavedView) -> str:
    """Return what a view shows, for the menu."""
    order = f"by {view.sort.removeprefix('-')}" if view.sort else ""
    return "  ".join(filter(None, (view.query or "all jobs", order)))
