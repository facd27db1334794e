"""The part of the application that does what is typed after ``:`` and chosen from the palette."""

from __future__ import annotations

import contextlib
import shutil
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.command import CommandPalette

from tui import history_file, processes
from tui.background import in_background
from tui.configured import ConfiguredApp
from tui.feed.base import Playback
from tui.flux_words import FluxWords
from tui.model.commands import (
    SHARED,
    VERBS,
    complete,
    filled,
    is_interactive,
    reads_only,
    split,
    unknown,
    words_of,
)
from tui.model.jobid import f58
from tui.model.query import Query, QueryError
from tui.model.question import Question
from tui.model.states import Status
from tui.outside import run_outside
from tui.screens.actions import ActingScreen
from tui.screens.jobs import JobsScreen
from tui.views import BY_NAME as VIEW_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tui.flux_words import FluxWord
    from tui.model.dashboard import Dashboard
    from tui.model.history import TypedLines
    from tui.model.selection import Targets
    from tui.screens.live import LiveScreen

ALL: frozenset[Status] = frozenset(Status)
LIKE: Final = 0.7
"""How like a name of ours, of 1, a word has to be to be taken for a misspelt one."""


class CommandingApp(ConfiguredApp):
    """Has commands: those of `VERBS`, the names of views and of own commands, and every sub-command
    of ``flux``, which runs for the instance on the screen.
    """

    COMMAND_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "colon",
            "command_line",
            "Command",
            tooltip="Type a command",
            key_display=":",
            id="app.command",
        ),
        Binding(
            "ctrl+p", "palette", "All commands", tooltip="Choose a command", show=False,
            id="app.palette",
        ),
    ]  # fmt: skip

    @property
    def dashboard(self) -> Dashboard:
        """The model of the instance on the screen."""
        raise NotImplementedError

    @property
    def live_screens(self) -> list[LiveScreen]:
        """The screens that draw from a model, the one on top last."""
        raise NotImplementedError

    def show_view(self, name: str) -> None:
        """Show one of the views."""
        raise NotImplementedError

    def open_instance(self, uri: str, name: str = "") -> None:
        """Show one more instance in a tab."""
        raise NotImplementedError

    # Typing

    @cached_property
    def _typed_commands(self) -> TypedLines:
        return history_file.history(history_file.COMMANDS)

    @cached_property
    def _flux_words(self) -> FluxWords:
        return FluxWords()

    def action_command_line(self, text: str = "") -> None:
        """Type a command."""
        from tui.screens.command_bar import CommandBar

        bar = CommandBar(self._typed_commands, self._known_words, self._asked_words, text)
        self.push_screen(bar, self._typed_line)

    def action_palette(self) -> None:
        """Choose a command."""
        from tui.palette_commands import DashboardCommands

        self.push_screen(CommandPalette(providers=[DashboardCommands], placeholder="Search"))

    def _typed_line(self, line: str | None) -> None:
        if line:
            self._typed_commands.add(line)
            self.run_line(line)

    def _names(self) -> dict[str, Iterable[str]]:
        settings = self.settings
        return {
            "": (*VIEW_NAMES, *settings.views, *settings.commands),
            "view": settings.views,
            "theme": self.colour_themes,
            "own": settings.commands,
        }

    def _known_words(self, text: str) -> tuple[int, list[FluxWord]] | None:
        """Return what the end of a line may become, None if ``flux`` has to be asked."""
        found = complete(text, self._names(), self.dashboard.values_of)
        if found is None or (" " not in text.strip() and not found[1]):
            return None
        about = {name: view.summary for name, view in VIEW_NAMES.items()}
        about |= {name: own.description for name, own in self.settings.commands.items()}
        start, words = found
        from tui.screens.command_bar import described

        return start, described(words, about)

    async def _asked_words(self, text: str) -> tuple[int, list[FluxWord]]:
        """Ask ``flux`` what the last word of a line may become."""
        line = text.lstrip().removeprefix("flux ").lstrip()
        start = text.rfind(" ") + 1
        try:
            words = words_of(line[: len(line) - (len(text) - start)])
        except ValueError:
            return start, []
        words.append(text[start:])
        return start, await self._flux_words.choices(words, self.dashboard.instance.uri)

    # Doing

    def run_line(self, line: str) -> None:
        """Do what a line says; what is wrong with it is told."""
        name, rest = split(line)
        with self._told():
            if name in VERBS:
                self._verb(name, rest)
            elif name in VIEW_NAMES and not (rest and name in SHARED):
                if rest:
                    raise ValueError(f"{name} takes nothing after it: it is written :{name}")
                self.show_view(name)
            elif not rest and name in self.settings.views:
                self.use_view(name)
            elif not rest and name in self.settings.commands:
                self.action_own_command(name)
            else:
                self._flux_line(name, line)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what is wrong with a line."""
        try:
            yield
        except QueryError as error:
            self.notify(str(error), severity="error")
        except (ValueError, KeyError) as error:
            self.notify(str(error.args[0]), severity="error")
        except OSError as error:
            self.notify(str(error.strerror or error), severity="error")

    def _verb(self, name: str, rest: str) -> None:
        VERBS[name].check(rest)
        method: Callable[[str], None] = getattr(self, f"do_{name.replace('-', '_')}")
        method(rest)

    def _flux_line(self, name: str, line: str) -> None:
        """Run a sub-command, unless its name is that of none and much like a name of ours."""
        near = next(iter(get_close_matches(name, (*VERBS, *self._names()[""]), 1, LIKE)), None)
        if near is None or name in SHARED or shutil.which(f"flux-{name}"):
            self.run_flux(line)
            return
        words_of(line)  # what is wrong with it is told now
        self.run_worker(self._meant(name, near, line), group="meant", exit_on_error=False)

    async def _meant(self, name: str, near: str, line: str) -> None:
        """Run a sub-command if ``flux`` has it, else tell what was probably meant."""
        found = await self._flux_words.choices([name], self.dashboard.instance.uri)
        with self._told():
            if any(choice.word == name for choice in found):
                self.run_flux(line)
            elif name == near:
                raise ValueError(f"{name} takes nothing after it: it is written :{name}")
            else:
                raise ValueError(f"no command {name}; did you mean {near}?")

    def jobs_screen(self) -> JobsScreen:
        """Return the screen of jobs, brought to the top."""
        self.show_view("jobs")
        screen = self.screen
        if not isinstance(screen, JobsScreen):
            raise ValueError("there is no list of jobs here")
        return screen

    def do_quit(self, _rest: str) -> None:
        """End the dashboard."""
        self.exit()

    def do_help(self, _rest: str) -> None:
        """List all keys of this screen."""
        self.live_screens[-1].action_help()

    def do_filter(self, rest: str) -> None:
        """Show the jobs that match."""
        Query.parse(rest)
        self.jobs_screen().set_filter(rest)

    def do_mark(self, rest: str) -> None:
        """Mark the jobs that match."""
        matches = Query.parse(rest).compile(self.dashboard.table, self.dashboard.clock())
        ids = self.dashboard.table.ids
        rows = range(len(ids))
        found = [ids[row] for row in rows if matches is None or matches(row)]
        self.dashboard.marks.update(found)
        self.dashboard.revision += 1
        self.notify(f"{len(found):,} job{'' if len(found) == 1 else 's'} marked", timeout=3)

    def do_unmark(self, _rest: str) -> None:
        """Unmark all jobs."""
        self.dashboard.marks.clear()
        self.dashboard.revision += 1

    def do_sort(self, rest: str) -> None:
        """Sort the jobs."""
        self.sort_by(rest)

    def do_theme(self, rest: str) -> None:
        """Change the colours."""
        if rest not in self.colour_themes:
            raise unknown("theme", rest, self.colour_themes)
        self.wear(rest)

    def do_reload(self, _rest: str) -> None:
        """Read the settings again."""
        self.action_reload()

    def do_instance(self, rest: str) -> None:
        """Open another instance in a tab."""
        self.open_instance(rest)

    def do_run(self, rest: str) -> None:
        """Run an own command."""
        if rest not in self.settings.commands:
            if not self.settings.commands:
                raise ValueError(f"no command {rest}; there are none in the settings")
            raise unknown("command", rest, self.settings.commands)
        self.action_own_command(rest)

    def do_flux(self, rest: str) -> None:
        """Run a sub-command of ``flux``."""
        self.run_flux(rest)

    # Jobs that commands are for

    def chosen_jobs(self) -> Targets | None:
        """Return the marked jobs, or the one under the cursor or on the screen."""
        screen = self.live_screens[-1]
        return screen.targets() if isinstance(screen, ActingScreen) else None

    def chosen_ids(self) -> list[str]:
        """Return their ids as they are written."""
        found = self.chosen_jobs()
        return [f58(jobid) for jobid in found.jobids] if found is not None else []

    # Sub-commands of flux

    def run_flux(self, line: str) -> None:
        """Run a sub-command for the instance on the screen; ``{id}`` and ``{ids}`` are the jobs
        that are chosen.
        """
        words = words_of(line)
        if words[:1] == ["flux"]:
            words = words[1:]
        several = any("{ids}" in word for word in words)
        full = filled(words, self.chosen_ids())
        if not full:
            raise ValueError("no sub-command")
        if isinstance(self.live_screens[-1].feed, Playback):
            raise ValueError(f"this is a recording: flux {full[0]} would be of the instance of now")
        reads = reads_only(full)
        if self.dashboard.read_only and not reads:
            raise ValueError(f"this dashboard is read-only: flux {words[0]} may change something")
        jobs = self.chosen_jobs()
        if several and not reads and jobs is not None and len(jobs.jobids) > 1:
            self.ask_for(f"Run flux {words[0]} for", jobs, lambda: self._start_flux(full))
        else:
            self._start_flux(full)

    def ask_for(self, verb: str, jobs: Targets, act: Callable[[], None]) -> None:
        """Ask whether something is meant for so many jobs, and do it if it is."""

        def answered(yes: bool | None) -> None:
            if yes:
                act()

        question = Question(verb, jobs, ALL, len(jobs.able(ALL)))
        from tui.screens.confirm import ConfirmScreen

        self.push_screen(ConfirmScreen(question, self.is_plain), answered)

    @property
    def is_plain(self) -> bool:
        """Whether only ASCII is drawn."""
        return self.has_class("ascii")

    def _start_flux(self, words: Sequence[str]) -> None:
        full = [processes.flux_program(), *words]
        env = processes.environment(self.dashboard.instance.uri)
        if is_interactive(words):
            in_background(self, self._in_the_terminal, full, env)
        else:
            env["COLUMNS"] = str(max(40, self.size.width - 4))
            from tui.screens.output import OutputScreen

            self.push_screen(OutputScreen(" ".join(["flux", *words]), full, env))

    async def _in_the_terminal(self, words: Sequence[str], env: dict[str, str]) -> None:
        """Leave the terminal to a command until it ends."""
        try:
            status = await run_outside(self, words, env)
        except OSError as error:
            self.notify(f"cannot be run: {error.strerror}", severity="error")
            return
        self.notify(f"exit code {status}", severity="warning" if status else "information")

    away = False
    """Whether the terminal is left to a command, and must not be drawn on."""

    # For the parts that build upon this

    def action_own_command(self, name: str) -> None:
        """Run one of the user's own commands."""
        raise NotImplementedError

    def use_view(self, name: str) -> None:
        """Look at the jobs as a saved view says."""
        raise NotImplementedError

    def sort_by(self, column: str) -> None:
        """Sort by a column; with ``-`` before it in the other order."""
        raise NotImplementedError
