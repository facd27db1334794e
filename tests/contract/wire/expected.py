"""Which labels' messages must match (expected_messages.toml): the ratchet of the wire contract."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.contract.recordings import HERE

EXPECTED = HERE / "expected_messages.toml"
REASONS = HERE / "reasons_messages.toml"
DIRECTIONS = ("responses", "requests")


def expected(direction: str) -> tuple[str, ...]:
    """Labels whose `responses` (their client, our broker) or `requests` (our client, their broker)
    must match.
    """
    unstable = re.compile(str(tomllib.loads(REASONS.read_text())["unstable"][direction]))
    labels = tomllib.loads(EXPECTED.read_text())[direction]
    return tuple(label for label in labels if not unstable.fullmatch(label))


def reasons(direction: str) -> dict[str, str]:
    """Pattern of labels to the reason why their messages differ."""
    table: dict[str, Any] = tomllib.loads(REASONS.read_text())
    return dict(table[direction])


def write(found: dict[str, list[str]]) -> None:
    """Replace expected_messages.toml."""
    text = (
        "# Labels whose messages must match;"
        " written by `python -m tests.contract.report --messages`.\n"
    )
    for direction in DIRECTIONS:
        text += (
            f"{direction} = [\n"
            + "".join(f'    "{label}",\n' for label in found[direction])
            + "]\n"
        )
    EXPECTED.write_text(text)
