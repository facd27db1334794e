"""The section "Messages" of docs/conformance.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.contract.wire.expected import DIRECTIONS, expected, reasons, write
from tests.contract.wire.messages import load
from tests.contract.wire.replay import Result, compared_requests, replay_responses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.contract.replay import Outcome

HEADING = "\n## Messages\n"
TITLES = {
    "responses": (
        "Their client, our broker",
        "The recorded requests are sent on a raw local socket, in the recorded order, with our job "
        "ids. Every response is compared: error number and text, streaming flag, end of stream, "
        "number, keys, types and values.",
    ),
    "requests": (
        "Our client, their broker",
        "Our commands run through a tap. Topics, node ids, streaming flags and payloads are "
        "compared in any order, except `attr.get`, cancellations and disconnects, which a client "
        "may send when it likes. A request with a topic, a key, a type or a flag that no recording "
        "shows counts as one that a flux-core broker may refuse.",
    ),
}


def messages_section(accept: bool, replays: Sequence[Sequence[Outcome]]) -> str:
    """Replay all messages, as often as the commands were in `replays`, and return the section; with
    `accept`, require the labels that always match.
    """
    results: dict[str, Result] = {}
    stable: dict[str, list[str]] = {}
    every = {exchange.recording.label for exchange in load()}
    found = {
        "responses": [replay_responses(every) for _ in replays],
        "requests": [compared_requests(outcomes) for outcomes in replays],
    }
    for direction in DIRECTIONS:
        runs = found[direction]
        results[direction] = runs[-1]
        stable[direction] = [
            label
            for label in runs[0].differences
            if all(r.differences[label] is None for r in runs)
        ]
    if accept:
        write(stable)
    total = sum(len(exchange.messages) for exchange in load())
    text = (
        f"{HEADING}\n{total} messages of the recorded commands are compared in both directions"
        " (`tests/contract/wire`).\n"
    )
    for direction, result in results.items():
        text += _direction(direction, result, reasons(direction))
    return text


def _direction(direction: str, result: Result, table: Mapping[str, str]) -> str:
    title, explanation = TITLES[direction]
    differing = {label: found for label, found in result.differences.items() if found is not None}
    matching = len(result.differences) - len(differing)
    text = (
        f"\n### {title}\n\n{explanation}\n\n"
        f"{matching} of {len(result.differences)} commands match ({result.messages} messages); "
        f"{len(expected(direction))} are required by `make test`."
    )
    if direction == "requests":
        text += f" Commands with a request that flux-core may refuse: {len(result.refused)}."
    return (
        text
        + "\n\n| label | difference |\n| --- | --- |\n"
        + "".join(_row(label, found, table) for label, found in differing.items())
    )


def _row(label: str, found: str, table: Mapping[str, str]) -> str:
    for pattern, reason in table.items():
        if re.fullmatch(pattern, label):
            return f"| {label} | {reason} |\n"
    shown = found[:240].replace("|", "\\|").replace("`", "'").replace("\n", " ")
    return f"| {label} | `{shown}` |\n"


def with_messages(text: str, section: str) -> str:
    """`text` of docs/conformance.md with its section "Messages" replaced or added."""
    return text.partition(HEADING)[0] + section
