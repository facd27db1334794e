"""Standard input and output of tasks as events and messages carry it, and as a terminal shows it
(RFC 24).

A chunk of a stream is an object ``{stream, rank, data?, eof?, encoding?}``: text as it is, other
bytes in base64. The same object travels in the output eventlog of a job, in requests to the job
shell's ``stdin`` and pty, and between a broker and ``flux exec``.

There is one policy for what is malformed: `decode` and `decode_data` raise OSError(EPROTO). Whoever
shows output catches it where it takes the event and says so; whoever serves requests answers with
it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.b64 import b64decode, b64encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.job.types import EncodedData, IoObject

BASE64: Final = "base64"
STDIN_REFUSED: Final = "stdin not accepted by job"
"""What a job shell answers with ENOSYS to input that its tasks cannot get, and who sent it says."""
MOST_LABELLED: Final = 1 << 26
"""Bytes that `shown` makes at most, labels apart, by repeating a chunk for each of its tasks."""
MOST_LABELS: Final = 1 << 17
"""Tasks that `shown` repeats a chunk for at most."""

LOG_PREFIX: Final[Mapping[int, str]] = {
    0: "FATAL: ",
    1: "ALERT: ",
    2: "CRIT: ",
    3: "ERROR: ",
    4: " WARN: ",
    5: "",
    6: "DEBUG: ",
    7: "TRACE: ",
}
"""What stands before the text of a log event of the job shell, by its level."""
COPIED: Final = "flux-shell: "
"""What begins a line of a log event where the job shell copies it to its stderr."""
NO_SUCH_DIRECTORY: Final = "Could not change dir to "
"""What begins a line that the job shell writes to its stderr beside the copy."""


class IoChunk(NamedTuple):
    """A chunk of a stream: ``rank`` is an idset of task ranks, or ``all``; ``eof`` ends the
    stream.
    """

    stream: str
    rank: str
    data: bytes
    eof: bool


def encode_data(data: bytes) -> EncodedData:
    """Return the members that carry ``data``: text, or base64 where the bytes are not UTF-8.

    NUL bytes count as no text: escaped in JSON each would take six.
    """
    if b"\0" not in data:
        try:
            return {"data": data.decode("utf-8")}
        except UnicodeDecodeError:
            pass
    return {"encoding": BASE64, "data": b64encode(data)}


def encode(stream: str, rank: str, data: bytes = b"", eof: bool = False) -> IoObject:
    """Return the object of a chunk; without data it has no member for it."""
    chunk: IoObject = {"stream": stream, "rank": rank}
    if data:
        encoded = encode_data(data)
        if "encoding" in encoded:
            chunk["encoding"] = encoded["encoding"]
        chunk["data"] = encoded["data"]
    if eof:
        chunk["eof"] = True
    return chunk


def decode_data(context: Mapping[str, object]) -> bytes:
    """Return the bytes that an object carries, none if it has no member for them.

    Raises OSError(EPROTO) if they are not text, not base64, or in an unknown encoding.
    """
    data = context.get("data")
    if data is None:
        return b""
    encoding = context.get("encoding")
    if isinstance(data, str):
        if encoding == BASE64:
            try:
                return b64decode(data)
            except ValueError:
                raise OSError(errno.EPROTO, "malformed I/O data: not base64") from None
        if encoding is None or (isinstance(encoding, str) and encoding.upper() == "UTF-8"):
            return data.encode("utf-8", "surrogateescape")
    raise OSError(errno.EPROTO, "malformed I/O data")


def decode(context: Mapping[str, object]) -> IoChunk:
    """Return a chunk from its object; raises OSError(EPROTO) if it is not one."""
    stream, rank = context.get("stream"), context.get("rank")
    if not isinstance(stream, str) or not isinstance(rank, str | int) or isinstance(rank, bool):
        raise OSError(errno.EPROTO, "malformed I/O data: no stream or rank")
    return IoChunk(stream, str(rank), decode_data(context), bool(context.get("eof")))


def labelled(rank: object, data: bytes) -> bytes:
    """Return output with ``RANK: `` before each line; a carriage return does not begin one."""
    prefix = f"{rank}: ".encode()
    lines = data.split(b"\n")
    rest = lines.pop()
    return b"".join(b"%b%b\n" % (prefix, line) for line in lines) + (prefix + rest if rest else b"")


def shown(chunk: IoChunk, label: bool) -> bytes:
    """Return what a terminal shows of a chunk: its bytes, or each line once for each task that
    wrote it, labelled.

    A chunk of more tasks than `MOST_LABELS` and `MOST_LABELLED` allow is shown once, labelled with
    all of them.
    """
    if not label or not chunk.data:
        return chunk.data
    from flux.idset import IDset

    try:
        ranks = IDset(chunk.rank)
    except ValueError:
        return labelled(chunk.rank, chunk.data)
    if ranks.count() > min(MOST_LABELS, MOST_LABELLED // len(chunk.data)):
        return labelled(chunk.rank, chunk.data)
    return b"".join(labelled(rank, chunk.data) for rank in ranks)


def log_text(context: Mapping[str, object]) -> str:
    """Return a log event of the job shell as ``FATAL: component: message``, without a final
    newline.
    """
    level = context.get("level", 5)
    prefix = LOG_PREFIX.get(level, "") if isinstance(level, int) else ""
    component = f"{context['component']}: " if context.get("component") else ""
    return f"{prefix}{component}{str(context.get('message', '')).rstrip(chr(10))}"


def copy_of_log(context: Mapping[str, object]) -> str:
    """Return a log event of the job shell as the shell copies it to its stderr."""
    return f"{COPIED}{log_text(context)}"


def text_of_copy(context: Mapping[str, object]) -> str:
    """Return what the job shell wrote to its stderr, without a final newline."""
    return str(context.get("data", "")).rstrip("\n")


def is_copy_of_log(context: Mapping[str, object]) -> bool:
    """Whether what the job shell wrote to its stderr looks like what it logged."""
    text = text_of_copy(context)
    return context.get("stream") == "stderr" and (text.startswith(COPIED) or is_plain_copy(text))


def plain_part(text: str) -> str:
    """Return what of a line of the job shell's stderr stands on one without a level, empty if that
    has none of it.
    """
    _, begin, rest = text.partition(NO_SUCH_DIRECTORY)
    return begin + rest


def is_plain_copy(text: str) -> bool:
    """Whether a line of the job shell's stderr is one without a level that it logs, too."""
    return text.startswith(NO_SUCH_DIRECTORY)
