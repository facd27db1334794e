"""The part of the application that copies to the clipboard, and writes files: tables, screens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui import written_file
from tui.background import in_background
from tui.model import format as fmt
from tui.model.commands import COPIES, FORMATS, split, unknown
from tui.model.export import FIELDS, as_csv, as_json_lines, as_row
from tui.model.jobid import f58
from tui.model.submit_line import spelling_for, submit_line
from tui.own_commands import OwnCommandsApp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tui.feed.base import Feed

_WHAT: Final = {
    "csv": ("CSV", "The table for spreadsheets"),
    "jsonl": ("JSON lines", "The table for programs, a job on each line"),
    "svg": ("SVG", "A picture of this screen"),
}
_SHOWN: Final = 60
"""Letters of what was copied that are told."""


class ExportingApp(OwnCommandsApp):
    """Copies and exports."""

    EXPORT_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "x", "export", "Export", tooltip="Write the table or the screen to a file", show=False,
            id="app.export",
        ),
        Binding(
            "Y", "copy_as('command')", "Copy the command that submits such a job", show=False,
            id="app.copy_command",
        ),
        Binding(
            "ctrl+y", "copy_menu", "Copy something of the job", show=False, id="app.copy_menu"
        ),
    ]  # fmt: skip

    @property
    def feed(self) -> Feed:
        """The feed of the instance on the screen."""
        raise NotImplementedError

    # Copying

    def action_copy_menu(self) -> None:
        """Choose what to copy of the job."""
        choices = [
            ("command", "command", "flux submit with the options of its jobspec"),
            ("row", "row", "all fields, with tabs between them"),
            *((name, name, "") for name in FIELDS),
        ]

        def chosen(name: str | None) -> None:
            if name:
                self.run_line(f"copy {name}")

        from tui.screens.prompt import MenuScreen

        self.push_screen(MenuScreen("Copy what?", choices), chosen)

    def action_copy_as(self, what: str) -> None:
        """Copy something of the job."""
        self.run_line(f"copy {what}")

    def do_copy(self, rest: str) -> None:
        """Copy something of the jobs that are chosen, one on each line."""
        if rest not in COPIES and rest not in FIELDS:
            raise unknown("field", rest, (*COPIES, *FIELDS))
        jobs = self.chosen_jobs()
        if jobs is None or not jobs.jobids:
            raise ValueError("no job is chosen")
        if rest == "command":
            if len(jobs.jobids) > 1:
                raise ValueError(f"{len(jobs.jobids)} jobs are marked: copy the command of one")
            in_background(self, self._copy_command, jobs.jobids[0])
            return
        table, now = self.dashboard.table, self.dashboard.moment
        rows = [table.row_of[jobid] for jobid in jobs.jobids]
        if rest == "row":
            lines = [as_row(table, row, now) for row in rows]
        else:
            values = [FIELDS[rest](table, row, now) for row in rows]
            lines = ["" if value is None else fmt.printable(str(value)) for value in values]
        self._copy("\n".join(lines))

    def _copy(self, text: str) -> None:
        self.copy_to_clipboard(text)
        shown = text if len(text) <= _SHOWN and "\n" not in text else ""
        self.notify(f"copied {shown or f'{len(text.splitlines()):,} lines'}", timeout=3)

    async def _copy_command(self, jobid: int) -> None:
        """Copy the command that submits such a job."""
        row = self.dashboard.table.row_of.get(jobid)
        urgency = {} if row is None else {"urgency": self.dashboard.table.urgency[row]}
        spelling = self.settings.submit or spelling_for(self.dashboard.instance.version)
        try:
            jobspec = (await self.feed.lookup(jobid)).get("jobspec")
            line = submit_line(jobspec, spelling=spelling, **urgency)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.notify(f"{f58(jobid)}: no command for it: {why}", severity="error")
            return
        self.copy_to_clipboard(line)
        self.notify(f"copied {line[:200]}", timeout=5)

    # Writing

    def action_export(self) -> None:
        """Choose a format, then a file."""
        choices = [(name, *_WHAT[name]) for name in FORMATS]

        def chosen(format_: str | None) -> None:
            if format_:
                self._ask_place(format_)

        from tui.screens.prompt import MenuScreen

        self.push_screen(MenuScreen("Write what?", choices), chosen)

    def _ask_place(self, format_: str) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.dashboard.clock()))
        rows = len(self._rows())
        what = "this screen" if format_ == "svg" else f"{rows:,} job{'' if rows == 1 else 's'}"

        def chosen(text: str | None) -> None:
            if text:
                self.run_line(f"export {format_} {text}")

        from tui.screens.prompt import PromptScreen

        self.push_screen(
            PromptScreen(
                f"Write {what} as {_WHAT[format_][0]} to which file?",
                "",
                f"flux-{'screen' if format_ == 'svg' else 'jobs'}-{stamp}.{format_}",
                lambda text: written_file.refusal(written_file.place(text)) if text else "",
            ),
            chosen,
        )

    def _rows(self) -> list[int]:
        """Return the rows to write: the marked jobs', else those that the filter shows."""
        dashboard = self.dashboard
        rows = dashboard.view.rows()
        if dashboard.marks:
            ids = dashboard.table.ids
            rows = [row for row in dashboard.table.row_of.values() if ids[row] in dashboard.marks]
        return rows

    def do_export(self, rest: str) -> None:
        """Write the table or the screen to a file; asks before another is written over."""
        format_, text = split(rest)
        if format_ not in FORMATS:
            raise unknown("format", format_, FORMATS)
        if not text:
            raise ValueError(f"it is written :export {format_} FILE")
        path = written_file.place(text)
        refusal = written_file.refusal(path)
        if refusal:
            raise ValueError(f"{path}: {refusal}")
        if not path.exists():
            self._write(format_, path, over=False)
            return
        choices = [("", "Back", ""), ("over", "Write over it", "what is in it is lost")]

        def chosen(answer: str | None) -> None:
            if answer:
                self._write(format_, path, over=True)

        from tui.screens.prompt import MenuScreen

        self.push_screen(MenuScreen(f"{path} is there already", choices), chosen)

    def _write(self, format_: str, path: Path, *, over: bool) -> None:
        work = self._write_pieces(self._pieces(format_), path, over)
        self.call_after_refresh(self.run_worker, work, exit_on_error=False)

    def _pieces(self, format_: str) -> Iterable[str]:
        if format_ == "svg":
            from tui.pictures.gaps import without_gaps

            # Made when it is written: what was asked has left the screen by then.
            return (without_gaps(self.export_screenshot(title="flux top")) for _ in range(1))
        make = as_csv if format_ == "csv" else as_json_lines
        return make(self.dashboard.table, self._rows(), self.dashboard.moment)

    async def _write_pieces(self, pieces: Iterable[str], path: Path, over: bool) -> None:
        """Write, and tell how it went."""
        try:
            length = await written_file.write(path, pieces, over)
        except OSError as error:
            self.notify(f"{path}: cannot be written: {error.strerror}", severity="error")
        else:
            self.notify(f"wrote {path}: {fmt.count(length)} bytes")
