"""The recorded protocol messages, and the form in which two messages are compared."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from flux.wire import json
from flux.wire.message import PAYLOAD, REQUEST, RESPONSE, Message, encode_payload
from tests.contract.normalise import Place, normalised
from tests.contract.recordings import HERE, Recording
from tests.contract.recordings import load as recordings

MESSAGES = HERE / "data" / "messages-0.29.0.jsonl.gz"

# Values that each broker chooses freely, and lists that have no order.
FREE = frozenset({"route", "digest", "xml", "file", "line"})
# Members that answers have since 0.29, by the last word of their topic: clients ask for them.
LATER = {"ping": frozenset({"rank"})}
UNORDERED = frozenset({"namespaces", "mods", "attrs"})
# Numbers under these keys differ from run to run.
VARYING = frozenset(
    {
        "rootseq",
        "seq",
        "sequence",
        "pid",
        "idle",
        "size",
        "matchtag",
        "next_wakeup",
        "time",
        "time.tv_sec",
        "time.tv_nsec",
    }
    | {"second", "minute", "hour", "mday", "cols", "rows", "deferred", "total"}
)
# Counters under these keys differ from run to run.
COUNTERS = frozenset({"stats", "cache"})
BLOBREF = re.compile(r"\b(?:sha1|sha256)-[0-9a-f]{40,64}\b")
LOG_LINE = re.compile(r"^(<\d+>1 \S+ \S+ \S+) \d+ -")
SERVICE_ID = re.compile(r"(?<=-shell-)\d+")


@dataclass(frozen=True)
class Exchange:
    """The messages of one recorded command, in the order they passed."""

    recording: Recording
    messages: tuple[tuple[bool, Message], ...]
    """Pairs of (from the broker, message)."""

    @property
    def requests(self) -> list[Message]:
        """What the client sent, except events."""
        return [
            message for broker, message in self.messages if not broker and message.type == REQUEST
        ]


def _payload(kind: str | None, value: Any) -> bytes | None:
    if kind is None:
        return None
    return base64.b64decode(value) if kind == "base64" else encode_payload(value)


@cache
def load() -> tuple[Exchange, ...]:
    """All exchanges in the order they were recorded; commands that sent no message included."""
    by_label = {recording.label: recording for recording in recordings()}
    found: list[Exchange] = []
    with gzip.open(MESSAGES, "rb") as stream:
        for line in stream:
            raw = json.loads(line)
            messages = tuple(
                (
                    bool(broker),
                    Message(
                        type_,
                        topic,
                        _payload(kind, value),
                        flags=flags,
                        userid=user,
                        rolemask=roles,
                        aux1=aux1,
                        aux2=aux2,
                    ),
                )
                for broker, type_, topic, flags, aux1, aux2, user, roles, kind, value in raw[
                    "messages"
                ]
            )
            found.append(Exchange(by_label[raw["label"]], messages))
    return tuple(found)


def jobspec_of(signed: str) -> Any:
    """The jobspec inside a signed J (RFC 15: header.payload.signature); None if it holds no
    JSON.
    """
    try:
        return json.loads(base64.b64decode(signed.split(".")[1] + "==="))
    except (ValueError, IndexError):
        return None


class Canon:
    """Turns a payload into the form in which it is compared: ids, times, paths and digests replaced
    by names.
    """

    def __init__(self, place: Place, recording: Recording) -> None:
        self.place = place
        self.recording = recording

    def payload(self, message: Message) -> Any:
        """The comparable form of the payload of `message`: JSON, text, raw bytes or None."""
        if not message.flags & PAYLOAD or message.payload is None:
            return None
        try:
            found = message.json()
            later = LATER.get((message.topic or "").rpartition(".")[2], frozenset())
            if later and message.type == RESPONSE and isinstance(found, dict):
                found = {name: item for name, item in found.items() if name not in later}
            return self.value(found)
        except ValueError:
            return self.text(message.payload.decode("utf-8", "replace"))

    def value(self, value: Any, key: str = "") -> Any:
        """The comparable form of a JSON value that stands under `key`."""
        if isinstance(value, dict):
            if value.get("name") == "shell.task-exit":  # which of several tasks ends first
                value = value | {
                    "context": value["context"] | {"localid": "FIRST", "rank": "FIRST"}
                }
            return {name: self._member(name, item) for name, item in sorted(value.items())}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, float):
            return "FLOAT"
        return "INT" if key in VARYING or value >= 10**8 else value

    def _member(self, name: str, item: Any) -> Any:
        if name in ("env", "environment") and isinstance(item, dict):
            return "ENVIRONMENT"
        if name == "J" and isinstance(item, str):
            return self.value(jobspec_of(item))
        if name in COUNTERS and isinstance(item, dict):
            return sorted(item)
        if name in FREE:
            return type(item).__name__
        value = self.value(item, name)
        return (
            sorted(value, key=json.dumps)
            if name in UNORDERED and isinstance(value, list)
            else value
        )

    def string(self, text: str) -> Any:
        """A string; event logs and JSON inside a string are compared as what they hold."""
        if text.startswith(("{", "[")):
            try:
                return {"lines": [self.value(json.loads(line)) for line in text.splitlines()]}
            except ValueError:
                pass
        return self.text(text)

    def text(self, text: str) -> str:
        """Plain text; a log line's process id is not compared."""
        text = LOG_LINE.sub(r"\1 PID -", text)
        if not self.recording.label.startswith("content-"):
            text = BLOBREF.sub("BLOBREF", text)
        return normalised(text, self.place, self.recording)


def topic_of(message: Message) -> str:
    """The topic, with the job id of a shell's service replaced."""
    return SERVICE_ID.sub("ID", message.topic or "")


def is_response(message: Message) -> bool:
    return message.type == RESPONSE
