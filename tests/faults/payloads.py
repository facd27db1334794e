"""Payloads for every topic: valid ones where they are known, and what can be made of them.

Valid payloads come from the recordings of tests/contract. For the topics that no recording has,
the members are read off the handler: every ``req.get("name", type)`` in its source.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from broker.registry import services
from broker.service import routes_of
from tests.contract.wire.messages import load as exchanges

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

SAMPLES: dict[str, Any] = {"str": "x", "int": 1, "float": 0.5, "bool": True, "list": [], "dict": {}}
RECORDED_PER_TOPIC = 6

WORDS = (
    *("", " ", ".", "..", "a.b", "primary", "0-3", "0-4294967295", "[0-9999999]", "eventlog", "R"),
    *(
        "guest.",
        "true",
        "*/5",
        "a[1-",
        "rank:9",
        "\0",
        "\x1b[31m",
        "\u202e",
        "\U0010fffd",
        "é" * 50,
    ),
    *("kvs.", "1", "-1", "nan", "state", "cancel", "local.", "../../x", "{}", "sha1-" + "0" * 40),
)
NUMBERS = (0, 1, -1, 2, 31, 64, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, -(2**63), 2**63 - 1)
TEXTS = (
    *('"\\ud800"', '"\\udc41\\ud800"', '"\\udcff"', "NaN", "-Infinity", "Infinity", "1e999", "-0"),
    *("1" + "0" * 400, "1" + "0" * 5000, "9" * 20, "1.5e308", "[]", "{}", '""', "null", "true"),
    *('{"a":1,"a":2}', '"' + "x" * 300 + '"', '"\\u0000"'),
)
"""JSON text that no JSON value of Python stands for, or that is hard on a reader."""
DEPTHS = (100, 190, 200, 201, 250, 254, 500, 1000, 1020, 1500, 5000)


def _members(handler: Callable[..., Any]) -> dict[str, Any]:
    """Return a payload with the members that a handler takes from its request."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(handler)))
    except (OSError, SyntaxError):
        return {}
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call | ast.Subscript):
            continue
        names = [item.value for item in ast.walk(node) if isinstance(item, ast.Constant)]
        name = next((item for item in names if isinstance(item, str) and item.isidentifier()), None)
        source = ast.unparse(node)
        if name and ("req.get(" in source or "payload" in source):
            kinds = [item.id for item in ast.walk(node) if isinstance(item, ast.Name)]
            found[name] = next((SAMPLES[kind] for kind in kinds if kind in SAMPLES), "x")
    return found


def _recorded() -> Iterator[tuple[str, Any]]:
    for exchange in exchanges():
        for message in exchange.requests:
            try:
                value = message.json()
            except ValueError:
                continue
            if message.topic and isinstance(value, dict):
                yield message.topic, value


def valid_payloads() -> dict[str, list[dict[str, Any]]]:
    """Return valid or nearly valid payloads by topic; every registered topic has at least one."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for topic, value in _recorded():
        if value not in found[topic] and len(found[topic]) < RECORDED_PER_TOPIC:
            found[topic].append(value)
    for service, _ in services():
        for topic, _, handler in routes_of(service):
            members = _members(handler)
            if members or topic not in found:
                found[topic].append(members)
    return dict(found)


class Mutator:
    """Makes payload bytes out of valid payloads, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._holes: dict[str, str] = {}

    def payload(self, valid: dict[str, Any]) -> bytes | None:
        """Return the payload of one request: NUL-terminated JSON mostly, None or bytes at times."""
        kind = self.chance.random()
        if kind < 0.02:
            return None
        if kind < 0.04:
            return self._bytes()
        if kind < 0.06:
            return (
                self.chance.choice(("[1]", "3", '"x"', "null", "{", '{"a":}', "[[", "")).encode()
                + b"\0"
            )
        value: Any = valid
        for _ in range(self.chance.choice((0, 1, 1, 1, 2, 3))):
            value = self._mutated(value)
        text = self._filled(json.dumps(value))
        if kind < 0.08:
            text = self._duplicated(text)
        elif kind < 0.09:
            text = text[: self.chance.randrange(len(text) + 1)]
        return text.encode("utf-8", "surrogatepass") + b"\0"

    def _bytes(self) -> bytes:
        return self.chance.randbytes(self.chance.choice((0, 1, 7, 100, 5000)))

    def _mutated(self, value: Any) -> Any:
        """Replace, drop or add something somewhere in a value."""
        chance = self.chance
        if isinstance(value, dict):
            if not value or chance.random() < 0.1:
                return {**value, chance.choice(("x", "flags", "id", "key", "rank")): self._leaf()}
            name = chance.choice(sorted(value))
            if chance.random() < 0.15:
                return {key: item for key, item in value.items() if key != name}
            return {**value, name: self._mutated(value[name])}
        if isinstance(value, list) and value and chance.random() < 0.7:
            place = chance.randrange(len(value))
            return [*value[:place], self._mutated(value[place]), *value[place + 1 :]]
        if isinstance(value, str) and value and chance.random() < 0.3:
            place = chance.randrange(len(value))
            return value[:place] + chance.choice(WORDS) + value[place + chance.randrange(3) :]
        return self._leaf()

    def _leaf(self) -> Any:
        """Return something else: of another type, at a bound, or as a text that JSON cannot
        hold.
        """
        chance = self.chance
        kind = chance.random()
        if kind < 0.25:
            return chance.choice(WORDS)
        if kind < 0.45:
            return chance.choice(NUMBERS) + chance.choice((0, 0, 1, -1))
        if kind < 0.55:
            return chance.choice((None, True, False, [], {}, [None], [{}], {"": None}, 0.5, -1e300))
        if kind < 0.90:
            return self._hole(chance.choice(TEXTS))
        if kind < 0.97:
            return self._hole(self._deep())
        return chance.choice(("x", "a.", "\u20ac", "\0")) * chance.choice((300, 5000, 70000))

    def _deep(self) -> str:
        depth = self.chance.choice(DEPTHS)
        before, after = self.chance.choice((("[", "]"), ('{"a":', "}"), ('[{"data":', "}]")))
        return before * depth + "1" + after * depth

    def _hole(self, text: str) -> str:
        """Return a string that `_filled` replaces by ``text``."""
        name = f"<hole{len(self._holes)}>"
        self._holes[f'"{name}"'] = text
        return name

    def _filled(self, text: str) -> str:
        for hole, filling in self._holes.items():
            text = text.replace(hole, filling)
        self._holes.clear()
        return text

    def _duplicated(self, text: str) -> str:
        """Repeat an object's first member under the same name with another value."""
        if not text.startswith('{"'):
            return text
        name = text[1 : text.index('"', 2) + 1]
        return "{" + name + ":" + self.chance.choice(TEXTS) + "," + text[1:]
