"""Options of submission commands that are applied with the plugins of a command
(``JobspecV1.apply_options`` with ``prog``).
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from flux.cli.plugin import CLIPluginRegistry
from flux.job.options.applying import SubmitOptions, apply, options_of, unknown_keywords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.job.Jobspec import Jobspec
    from flux.job.jobspec_attributes import JobspecAttributes


def apply_with_plugins(
    jobspec: JobspecAttributes,
    prog: str,
    given: SubmitOptions,
    args: object,
    keywords: Mapping[str, object],
    preinit: bool,
) -> None:
    """Apply ``given``, which are the options of ``args`` already; raises what ``apply_options``
    raises.
    """
    plugins = CLIPluginRegistry(prog)
    known = {option.dest for option in plugins.options}
    unknown = [name for name in keywords if name not in known]
    if unknown:
        raise unknown_keywords("apply_options", unknown)
    names = [field.name for field in fields(SubmitOptions)]
    seen = {
        **{name: getattr(args, name, None) for name in known},
        **keywords,
        **{name: getattr(given, name) for name in names},
    }
    namespace = Namespace(**{**(vars(args) if isinstance(args, Namespace) else {}), **seen})
    if preinit:
        plugins.preinit(namespace)
    apply(jobspec, options_of({name: getattr(namespace, name) for name in names}))
    plugins.modify_jobspec(namespace, cast("Jobspec", jobspec))
