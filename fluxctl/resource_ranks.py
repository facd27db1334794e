"""Prints today's ``flux resource status`` and the list of ``flux resource drain``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.resource.status import resource_status
from fluxctl.color import sign_codes
from fluxctl.json_output import print_json_lines
from fluxctl.resource_choice import chosen_ranks, queues_of_ranks
from fluxctl.resource_lines import by_queue, merged, rank_lines
from fluxctl.resource_table import print_table, rpc_failure

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flux.core.handle import Flux
    from flux.output_format import OutputFormat
    from flux.resource.list import ResourceStatus
    from fluxctl.resource_lines import RankLine


@dataclass(frozen=True, slots=True)
class RankChoice:
    """Which ranks are printed: those in some ``states``, usual ones if none is named, of what
    ``include`` and ``queues`` say; and how.
    """

    states: Sequence[str]
    include: str | None
    queues: str | None
    skip_empty: bool
    header: bool
    as_json: bool
    color: str


def print_status(flux: Flux, table: OutputFormat, choice: RankChoice) -> None:
    """Print the ranks of an instance; raises CommandError."""
    try:
        answer = resource_status(flux).get()
        kept = chosen_ranks(flux, answer.rset, choice.include, choice.queues)
        queues = None
        if "queue" in table.fields:
            queues = queues_of_ranks(flux, answer.rset, choice.queues)
    except OSError as exc:
        raise rpc_failure(exc) from None
    if kept is not None:
        answer.filter(kept)
    lines = rank_lines(answer, choice.states, sign_codes(choice.color))
    if queues is None:
        _print(answer, list(lines), table, choice)
    else:
        split = [part for line in lines for part in by_queue(line, answer, queues)]
        _print(answer, split, table, choice)


def print_answer(answer: ResourceStatus, table: OutputFormat, choice: RankChoice) -> None:
    """Print the ranks of an answer to ``resource.status``; raises CommandError."""
    lines = rank_lines(answer, choice.states, sign_codes(choice.color))
    _print(answer, list(lines), table, choice)


def _print(
    answer: ResourceStatus,
    lines: Collection[RankLine],
    table: OutputFormat,
    choice: RankChoice,
) -> None:
    if not choice.as_json:
        lines = merged(lines, table.fields, answer)
    if choice.skip_empty:
        lines = [line for line in lines if line.nnodes]
    if choice.as_json:
        print_json_lines(line.facts() for line in lines)
    else:
        print_table(table, lines, header=choice.header)
