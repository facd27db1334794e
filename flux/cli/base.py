"""The submission commands for programs: parsers of argparse, and what they make of parsed arguments
(docs/cli.md).

These are faces: what options mean is written once, with the ``flux`` command.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NoReturn

import click

from flux.cli.argparse import FluxArgumentParser
from flux.cli.plugin import CLIPluginRegistry
from flux.job.options.configuration import BatchConfig
from fluxctl.errors import CommandError
from fluxctl.mini.argparse_actions import (
    BeginTimeAction,
    ConfAction,
    EnvFileAction,
    EnvFilterAction,
)
from fluxctl.mini.argparse_options import IO, add_options, options_of_all
from fluxctl.mini.copies import copies, ids_of_copies
from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.namespace import options_of, words_of
from fluxctl.mini.request import make_request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.job.JobID import JobID
    from flux.job.Jobspec import Jobspec, JobspecV1
    from flux.job.submit import SubmitFuture
    from fluxctl.mini.options import MiniOptions

__all__ = [
    "BatchAllocCmd",
    "BatchConfig",
    "BeginTimeAction",
    "ConfAction",
    "EnvFileAction",
    "EnvFilterAction",
    "MiniCmd",
    "SubmitBaseCmd",
    "SubmitBulkCmd",
]


@contextmanager
def refused_as_values() -> Iterator[None]:
    """Have what the command would report raise ValueError instead."""
    try:
        yield
    except CommandError as error:
        raise ValueError(error.message.removeprefix("ERROR: ")) from None


class _PluginHooks:
    """The plugins of a command as the maker of jobspecs calls them."""

    def __init__(self, plugins: CLIPluginRegistry, args: argparse.Namespace) -> None:
        self._plugins = plugins
        self._args = args

    def modify(self, jobspec: Jobspec) -> None:
        """Let the plugins change a jobspec; raises whatever they raise."""
        self._plugins.modify_jobspec(self._args, jobspec)

    def validate(self, jobspec: Jobspec) -> None:
        """Let the plugins refuse a jobspec; raises whatever they raise."""
        self._plugins.validate(jobspec)


class MiniCmd:
    """Base class of the submission commands; ``prog`` is what usage lines call it, such as ``flux
    submit``.

    ``parser`` is its parser, to which programs may add; ``plugins`` are the plugins of the command.
    ``flux_handle`` is the connection, made when the first job is submitted; ``exitcode`` is what
    `run_command` exits with.
    """

    command: ClassVar[str] = "submit"
    """The command whose options it has, if ``prog`` does not name one."""

    def __init__(
        self,
        prog: str,
        usage: str | None = None,
        description: str | None = None,
        exclude_io: bool = False,
    ) -> None:
        self.prog = prog
        self.flux_handle: Flux | None = None
        self.exitcode = 0
        self.plugins = CLIPluginRegistry(prog)
        self.parser = self.create_parser(prog, usage, description, exclude_io)
        self._builder = JobspecBuilder()

    @staticmethod
    def create_parser(
        prog: str,
        usage: str | None = None,
        description: str | None = None,
        exclude_io: bool = False,
        add_help: bool = True,
    ) -> argparse.ArgumentParser:
        """Return a parser of the options that all submission commands have; ``exclude_io`` leaves
        those of input and output out.
        """
        usage = usage or f"{prog} [OPTIONS...] COMMAND [ARGS...]"
        parser = FluxArgumentParser(
            prog=prog, usage=usage, description=description, add_help=add_help
        )
        # What a command counts in nodes is text for some, a number for others.
        left_out = {"nodes", "exclusive", *(IO if exclude_io else ())}
        common = options_of_all("submit", "batch", "alloc", "run")
        add_options(parser, [one for one in common if one.name not in left_out], "")
        parser.set_defaults(help=None, debug_emulate=False, quiet=False)
        return parser

    def get_parser(self) -> argparse.ArgumentParser:
        """Return the parser."""
        return self.parser

    def init_jobspec(self, args: argparse.Namespace) -> JobspecV1:
        """Return the jobspec of parsed arguments, without what plugins change; raises ValueError
        for what cannot be.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no jobspecs")

    def jobspec_create(self, args: argparse.Namespace) -> JobspecV1:
        """Return the jobspec of parsed arguments; raises ValueError for what cannot be, and
        whatever a plugin raises.
        """
        jobspec = self.init_jobspec(args)
        self._with_defaults(args)
        self.plugins.modify_jobspec(args, jobspec)
        return jobspec

    def _with_defaults(self, args: argparse.Namespace) -> None:
        """Let plugins find their options in arguments that were parsed without them."""
        for option in self.plugins.options:
            if option.dest not in args:
                setattr(args, option.dest, option.kwargs.get("default"))

    def options(self, args: argparse.Namespace) -> MiniOptions:
        """Return parsed arguments as the command has them, with the plugins."""
        self._with_defaults(args)
        return replace(options_of(args), plugins=_PluginHooks(self.plugins, args))

    def words(self, args: argparse.Namespace) -> list[str]:
        """Return what stands behind the options."""
        found: list[str] | None = getattr(args, words_of(self.command), None)
        return list(found or ())

    def handle(self) -> Flux:
        """Return the connection; raises OSError if there is no instance."""
        if self.flux_handle is None:
            from flux.core.handle import Flux

            self.flux_handle = Flux()
        return self.flux_handle

    def submit_async(
        self, args: argparse.Namespace, jobspec: JobspecV1 | None = None
    ) -> SubmitFuture:
        """Submit a job, of ``jobspec`` if that is given, and return a future of its id.

        Raises ValueError for arguments that cannot be, OSError if there is no instance, and
        whatever a plugin raises.
        """
        from flux import constants
        from flux.job.submit import submit_async

        jobspec = jobspec or self.jobspec_create(args)
        self.plugins.validate(jobspec)
        with refused_as_values():
            request = make_request(jobspec, options_of(args))
        return submit_async(
            self.handle(),
            jobspec,
            urgency=request.urgency,
            waitable=bool(request.flags & constants.FLUX_JOB_WAITABLE),
            debug=bool(request.flags & constants.FLUX_JOB_DEBUG),
            novalidate=bool(request.flags & constants.FLUX_JOB_NOVALIDATE),
        )

    def submit(self, args: argparse.Namespace, jobspec: JobspecV1 | None = None) -> JobID | int:
        """Submit a job and return its id; with ``--dry-run`` print the jobspec and exit. Raises
        what `submit_async` does.
        """
        if getattr(args, "dry_run", False):
            print((jobspec or self.jobspec_create(args)).dumps())
            sys.exit(0)
        return self.submit_async(args, jobspec).get_id()

    def main(self, args: argparse.Namespace) -> None:
        """Do what the command does with parsed arguments."""
        raise NotImplementedError(f"{type(self).__name__} is no command")

    def run_command(self, argv: Sequence[str] | None = None) -> NoReturn:
        """Parse a command line, by default that of this process, with the options of plugins, do
        what the command does, and exit.
        """
        group = self.parser.add_argument_group("Options provided by plugins")
        for option in self.plugins.options:
            group.add_argument(option.name, **option.kwargs)
        args = self.parser.parse_args(argv)
        name = self.prog.replace(" ", "-")
        # Messages of the command begin with the name of the program of a context.
        with click.Context(click.Command(name), info_name=name):
            try:
                self._run(args)
            except CommandError as error:
                print(f"{name}: {error.message}", file=sys.stderr)
                sys.exit(error.code)
            except (OSError, ValueError, RuntimeError, ImportError) as error:
                print(f"{name}: ERROR: {error}", file=sys.stderr)
                sys.exit(1)
        sys.exit(self.exitcode)

    def _run(self, args: argparse.Namespace) -> None:
        if args.list_plugins:
            self.plugins.print_plugins()
            return
        self.plugins.preinit(args)
        self.main(args)


class SubmitBaseCmd(MiniCmd):
    """What the commands have in common that start tasks."""

    command = "run"

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        add_options(self.parser, options_of_all("run", "submit"), "run")

    def init_jobspec(self, args: argparse.Namespace) -> JobspecV1:
        """Return the jobspec of parsed arguments, without what plugins change; raises ValueError
        for what cannot be.
        """
        with refused_as_values():
            return self._builder.tasks(options_of(args), self.words(args))

    def run_and_exit(self, args: argparse.Namespace | None = None) -> NoReturn:
        """Submit a job, attach to it, and exit with its exit code; None are the arguments of this
        program.
        """
        from fluxctl.mini import actions

        if args is None:
            args = self.parser.parse_args()

        sys.exit(actions.run(self.options(args), self.words(args)))


class SubmitBulkCmd(SubmitBaseCmd):
    """What the commands have in common that submit many jobs."""

    command = "submit"

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        MiniCmd.__init__(self, prog, usage, description)
        add_options(self.parser, options_of_all("submit"), "submit")

    @staticmethod
    def cc_list(args: argparse.Namespace) -> IDset | list[str]:
        """Return the ids of ``--cc`` or ``--bcc``, or a list with the empty text alone.

        Raises ValueError if both are given or if they are not ids.
        """
        with refused_as_values():
            return ids_of_copies(options_of(args)) or [""]

    def submit_async_with_cc(
        self, args: argparse.Namespace, cclist: Iterable[int | str] | None = None
    ) -> list[SubmitFuture]:
        """Submit a job for each id of ``cclist``, by default those of ``--cc`` or ``--bcc``, and
        return the futures; raises what `submit_async` does.
        """
        ids = list(self.cc_list(args) if cclist is None else cclist)
        if ids == [""]:
            return [self.submit_async(args)]
        from flux.idset import IDset

        with refused_as_values():
            found = copies(
                self._builder, self.options(args), self.words(args), IDset(",".join(map(str, ids)))
            )
            made = [copy.jobspec for copy in found]
        return [self.submit_async(args, jobspec) for jobspec in made]

    def main(self, args: argparse.Namespace) -> None:
        """Submit a job or copies of it, as ``flux submit`` does."""
        from fluxctl.mini import actions

        self.exitcode = actions.submit(self.options(args), self.words(args))


class BatchAllocCmd(MiniCmd):
    """What the commands have in common that start an instance."""

    command = "batch"

    def __init__(
        self,
        prog: str,
        usage: str | None = None,
        description: str | None = None,
        exclude_io: bool = True,
    ) -> None:
        super().__init__(prog, usage, description, exclude_io)
        common = options_of_all("batch", "alloc")
        add_options(
            self.parser, [one for one in common if not (exclude_io and one.name in IO)], "batch"
        )
