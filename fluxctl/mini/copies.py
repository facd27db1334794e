"""The jobs of one ``flux mini`` command line: ``--cc`` and ``--bcc``, and those of bulk inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.options import MiniOptions, failure
from fluxctl.mini.template import describe, replace_cc, replace_cc_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flux.idset import IDset
    from flux.job.Jobspec import JobspecV1
    from fluxctl.mini.submission import JobToSubmit


class Copy(NamedTuple):
    """One job of a command line, and the options and command that it was made of."""

    jobspec: JobspecV1
    options: MiniOptions
    command: Sequence[str]
    cc: str = ""


def ids_of_copies(options: MiniOptions) -> IDset | None:
    """Return the ids of ``--cc`` or ``--bcc``, None if there are none.

    Raises CommandError if both are given or if they are not ids.
    """
    from flux.idset import IDset

    if options.cc and options.bcc:
        raise failure("specify only one of --cc or --bcc")
    text = options.cc or options.bcc
    if not text:
        return None
    try:
        return IDset(text)
    except ValueError as error:
        raise failure(error) from None


def copies(
    builder: JobspecBuilder, options: MiniOptions, command: Sequence[str], ids: IDset | None
) -> Iterator[Copy]:
    """Yield the copies of a job that ``--cc`` or ``--bcc`` ask for, or the job itself.

    Raises CommandError if an option is malformed.
    """
    if ids is None:
        yield Copy(builder.tasks(options, command), options, command)
        return
    for cc in map(str, ids):
        mine, words = replace_cc_options(options, cc), [replace_cc(word, cc) for word in command]
        jobspec = builder.tasks(mine, words)
        if options.cc:
            jobspec.environment = {**(jobspec.environment or {}), "FLUX_JOB_CC": cc}
        yield Copy(jobspec, mine, words, cc)


def bulk_copies(
    bulk: Iterable[tuple[MiniOptions, list[str]] | None],
) -> Iterator[Copy | None]:
    """Yield the jobs of a bulk submission, None where the next input is not available yet."""
    builder = JobspecBuilder()
    for item in bulk:
        if item is None:
            yield None
            continue
        options, command = item
        ids = ids_of_copies(options)
        if ids is None:
            # Without --cc there is nothing that {cc} could stand for.
            options = replace_cc_options(options, "")
            command = [replace_cc(word, "") for word in command]
        yield from copies(builder, options, command, ids)


def jobs(found: Iterable[Copy | None]) -> Iterator[JobToSubmit | None]:
    """Yield what the submitter takes, None where the next input is not available yet.

    Raises CommandError if urgency or flags are malformed, which a dry run does not look at.
    """
    from fluxctl.mini.request import make_request
    from fluxctl.mini.submission import JobToSubmit

    for copy in found:
        if copy is None:
            yield None
            continue
        jobspec, options, command, cc = copy
        description = describe(options, command) if options.verbose else ""
        request = make_request(jobspec, options)
        yield JobToSubmit(request, options.log, options.log_stderr, description, cc)
