"""``flux batch`` for programs."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from flux.cli import base
from fluxctl.mini.argparse_options import add_options, add_words, options_of_all
from fluxctl.mini.jobspec import Script, read_script
from fluxctl.mini.namespace import options_of

if TYPE_CHECKING:
    from flux.job.Jobspec import JobspecV1


class BatchCmd(base.BatchAllocCmd):
    """Submits a script that runs in an instance of its own."""

    command = "batch"

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description, exclude_io=False)
        add_options(self.parser, options_of_all("batch"), "batch")
        add_words(self.parser, "batch")

    def process_script(self, args: Namespace) -> tuple[str, Namespace]:
        """Return the text of the script that parsed arguments name, and the arguments with those of
        its directives, which count less.

        Raises OSError if it cannot be read, ValueError for a directive that cannot be.
        """
        with base.refused_as_values():
            script = read_script(self.words(args), bool(args.wrap))
        return script.text, self._directed(args, script)

    def _directed(self, args: Namespace, script: Script) -> Namespace:
        from flux.job.directives import parse_directives

        if args.wrap:
            return args
        found = Namespace()
        for directive in parse_directives(script.text, script.name):
            try:
                self.parser.parse_args(directive.args, found)
            except SystemExit:
                place = f"{script.name} line {directive.lineno}"
                raise ValueError(f"argument parsing failed at {place}") from None
        return self._over(found, args)

    def _over(self, below: Namespace, above: Namespace) -> Namespace:
        """Return arguments in which what ``above`` has besides defaults counts more."""
        defaults = vars(self.parser.parse_args([]))
        both = {**vars(above), **vars(below)}
        for name, value in vars(above).items():
            if isinstance(value, list) and isinstance(both.get(name), list):
                both[name] = value if name == "SCRIPT" else [*both[name], *value]
            elif name not in defaults or value != defaults[name]:
                both[name] = value
        return Namespace(**both)

    def init_jobspec(self, args: Namespace) -> JobspecV1:
        """Return the jobspec of parsed arguments and of the script that they name, without what
        plugins change; raises OSError if it cannot be read, ValueError for what cannot be.
        """
        with base.refused_as_values():
            script = read_script(self.words(args), bool(args.wrap))
            return self._builder.batch(options_of(self._directed(args, script)), script)

    def main(self, args: Namespace) -> None:
        """Submit the script, as ``flux batch`` does."""
        from fluxctl.mini import actions

        with base.refused_as_values():
            script = read_script(self.words(args), bool(args.wrap))
            found = self._directed(args, script)
        self.exitcode = actions.batch(self.options(found), script)
