"""Messages as the Python API shows them, and watchers for them (flux_msg_handler_create(3))."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from flux.constants import FLUX_MATCHTAG_NONE
from flux.core.interface import ReactorOwner, Sender
from flux.core.watchers import Watcher
from flux.scoped import Scoped
from flux.wire import message as wire
from flux.wire.errors import error_of
from flux.wire.text import Text, as_optional_text, as_text
from flux.wire.topic import matches

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SHOWN: Final = 200
"""Characters of a payload that the representation of a message shows."""

_NAMES = {1: "request", 2: "response", 4: "event", 8: "control"}


def msg_typestr(msg_type: int) -> str:
    """Return the name of a message type; raises ValueError for an unknown one."""
    if msg_type not in _NAMES:
        raise ValueError(f"{msg_type} is not a message type")
    return _NAMES[msg_type]


class _Decode:
    """``Message.decode(data)`` returns the message that `encode` made ``data`` of; raises
    OSError(EPROTO) if it is none.

    ``message.decode()`` returns the type of a message, its topic and its payload as text; raises
    OSError(EPROTO) without a topic.
    """

    def __get__(self, view: MessageView | None, owner: type[MessageView]) -> Callable[..., Any]:
        return partial(_decode, owner) if view is None else partial(_parts, view)


def _decode(owner: type[MessageView], data: bytes) -> MessageView:
    from flux.wire.codec import DecodeError, decode

    try:
        return owner(handle=decode(data))
    except DecodeError as exc:
        raise OSError(errno.EPROTO, f"the bytes are not a message: {exc}") from None


def _parts(view: MessageView) -> tuple[int, str, str | None]:
    if view.topic is None:
        raise OSError(errno.EPROTO, "the message has no topic")
    return view.type, view.topic, view.payload_str


class MessageView(Scoped):
    """A message, received or to be sent, as the Python API shows it; ``wire`` is its protocol
    form.
    """

    def __init__(self, type_id: int = wire.REQUEST, handle: wire.Message | None = None) -> None:
        if handle is None:
            nodeid = wire.NODEID_ANY if type_id == wire.REQUEST else 0
            handle = wire.Message(type_id, flags=wire.ROUTE, aux1=nodeid)
        self.wire = handle

    @classmethod
    def from_event_encode(cls, topic: Text, payload: object = None) -> MessageView:
        """Return an unpublished event; text is sent unmodified, any other payload as JSON."""
        return cls(handle=wire.event(as_text(topic, "the topic"), wire.ended(payload)))

    @classmethod
    def from_request_encode(
        cls, topic: Text, payload: object = None, nodeid: int = wire.NODEID_ANY
    ) -> MessageView:
        """Return a request to be sent; text is sent unmodified, any other payload as JSON."""
        name = as_text(topic, "the topic")
        return cls(handle=wire.request(name, wire.ended(payload), nodeid=nodeid))

    decode = _Decode()

    def encode(self) -> bytes:
        """Return the message as bytes (flux_msg_encode(3), RFC 3)."""
        from flux.wire.codec import encode

        return encode(self.wire)

    def __repr__(self) -> str:
        msg = self.wire
        facts = {
            wire.REQUEST: lambda: [f"nodeid={_node(msg.nodeid)}", f"matchtag={msg.matchtag}"],
            wire.RESPONSE: lambda: [f"errnum={msg.errnum}", f"matchtag={msg.matchtag}"],
            wire.EVENT: lambda: [f"seq={msg.sequence}"],
        }.get(msg.type, list)()
        if msg.userid != wire.USERID_UNKNOWN:
            facts.append(f"userid={msg.userid} rolemask={msg.rolemask:#x}")
        if msg.routes:
            facts.append(f"sender={self.sender}")
        if msg.payload is not None:
            facts.append(f"payload={_short(self.payload_raw or b'')}")
        return f"<Message {self.type_str} {msg.topic} {' '.join(facts)}>"

    def matches(
        self,
        type_mask: int = 0,
        match_tag: int = FLUX_MATCHTAG_NONE,
        topic_glob: Text | None = None,
    ) -> bool:
        """Tell whether type, match tag and topic are those given (flux_msg_cmp(3)); what is not
        given matches every message.
        """
        glob = as_optional_text(topic_glob, "the topic")
        return (
            (not type_mask or bool(self.wire.type & type_mask))
            and match_tag in (FLUX_MATCHTAG_NONE, self.wire.matchtag)
            and matches(glob, self.wire.topic)
        )

    @property
    def topic(self) -> str | None:
        """The topic."""
        return self.wire.topic

    @topic.setter
    def topic(self, value: Text) -> None:
        self.wire.topic = as_text(value, "the topic")
        self.wire.flags |= wire.TOPIC

    @property
    def payload_str(self) -> str | None:
        """The payload as text, None without payload."""
        return None if self.wire.payload is None else self.wire.text()

    @payload_str.setter
    def payload_str(self, value: Text) -> None:
        self.payload = value

    @property
    def payload_raw(self) -> bytes | None:
        """The bytes of the payload as they travel, None without payload."""
        return self.wire.payload

    @payload_raw.setter
    def payload_raw(self, value: bytes | None) -> None:
        self._set_payload(value)

    @property
    def payload(self) -> Any:
        """The payload as a JSON value, None without payload; raises ValueError if it is not
        JSON.
        """
        return self.wire.json()

    @payload.setter
    def payload(self, value: object) -> None:
        self._set_payload(wire.encode_payload(wire.ended(value)))

    def _set_payload(self, data: bytes | None) -> None:
        self.wire.payload = data
        if data is None:
            self.wire.flags &= ~wire.PAYLOAD
        else:
            self.wire.flags |= wire.PAYLOAD

    @property
    def type(self) -> int:
        """The message type, FLUX_MSGTYPE_*."""
        return self.wire.type

    @type.setter  # noqa: A003 - the property, not the builtin
    def type(self, value: int) -> None:
        msg_typestr(value)  # raises ValueError for one that there is not
        self.wire.type = value

    @property
    def type_str(self) -> str:
        """The name of the message type."""
        return msg_typestr(self.wire.type)

    @property
    def seq(self) -> int:
        """The sequence number of a received event."""
        return self.wire.sequence

    @property
    def errnum(self) -> int:
        """The error number of a response, 0 for success and for other messages."""
        return self.wire.errnum if self.wire.type == wire.RESPONSE else 0

    @property
    def error_string(self) -> str | None:
        """The sentence of an error response, None for other messages."""
        return error_of(self.wire).strerror if self.errnum else None

    @property
    def nodeid(self) -> int:
        """The rank that a request is for, or FLUX_NODEID_ANY."""
        return self.wire.nodeid

    @nodeid.setter
    def nodeid(self, value: int) -> None:
        self.wire.aux1 = value

    @property
    def matchtag(self) -> int:
        """The number that pairs a request with its responses."""
        return self.wire.matchtag

    @matchtag.setter
    def matchtag(self, value: int) -> None:
        self.wire.aux2 = value

    @property
    def userid(self) -> int:
        """The user who sent it, FLUX_USERID_UNKNOWN if it has not been sent."""
        return self.wire.userid

    @userid.setter
    def userid(self, value: int) -> None:
        self.wire.userid = value

    @property
    def rolemask(self) -> int:
        """The roles of the sender, FLUX_ROLE_*."""
        return self.wire.rolemask

    @rolemask.setter
    def rolemask(self, value: int) -> None:
        self.wire.rolemask = value

    @property
    def is_owner(self) -> bool:
        """Whether the instance owner sent it."""
        return bool(self.wire.rolemask & wire.ROLE_OWNER)

    @property
    def streaming(self) -> bool:
        """Whether a request asks for many responses, or a response is one of many."""
        return self.wire.streaming

    @property
    def noresponse(self) -> bool:
        """Whether a request is to have no response."""
        return self.wire.noresponse

    @property
    def private(self) -> bool:
        """Whether an event is for the instance owner and the sender only."""
        return bool(self.wire.flags & wire.PRIVATE)

    @property
    def sender(self) -> str | None:
        """The identity of the client that sent a request, None for other messages."""
        return self.wire.routes[-1] if self.wire.routes else None


def _node(nodeid: int) -> str:
    names = {wire.NODEID_ANY: "any", wire.NODEID_UPSTREAM: "upstream"}
    return names.get(nodeid, str(nodeid))


def _short(data: bytes) -> str:
    text = data.removesuffix(b"\0").decode("utf-8", "replace")
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


# The name in flux-core's bindings; in here `Message` is always that of RFC 3.
Message = MessageView


class MessageSource(Sender, ReactorOwner, Protocol):
    """What gives messages to watchers."""

    def add_message_watcher(self, watcher: MessageWatcher) -> None:
        """Give messages that ``watcher`` wants to it."""

    def remove_message_watcher(self, watcher: MessageWatcher) -> None:
        """Undo `add_message_watcher`."""


class MessageWatcher(Watcher):
    """Calls ``callback(handle, watcher, message, args)`` for each message that matches.

    With a ``rolemask``, requests of users who have none of these roles, and are not the owner, are
    refused with EPERM.
    """

    direct = False
    """Whether it is called as soon as a message comes, reactor or not."""

    def __init__(
        self,
        flux_handle: MessageSource,
        type_mask: int,
        callback: Callable[..., object],
        topic_glob: str = "*",
        match_tag: int = FLUX_MATCHTAG_NONE,
        args: object = None,
        rolemask: int | None = None,
    ) -> None:
        super().__init__(flux_handle)
        self.rolemask = rolemask
        self._source = flux_handle
        self.type_mask = type_mask
        self.topic_glob = topic_glob
        self.match_tag = match_tag
        self._callback = callback
        self._args = args

    def _start(self) -> None:
        self._source.add_message_watcher(self)

    def _stop(self) -> None:
        self._source.remove_message_watcher(self)

    def wants(self, msg: wire.Message) -> bool:
        """Whether this watcher takes a message."""
        if not msg.type & self.type_mask or not matches(self.topic_glob, msg.topic):
            return False
        return self.match_tag in (FLUX_MATCHTAG_NONE, msg.matchtag)

    def call(self, msg: wire.Message) -> None:
        """Run the callback."""
        if self._refused(msg):
            if not msg.noresponse:
                text = "Request requires owner credentials"
                self._source.send_wire(wire.response(msg, text, errnum=errno.EPERM))
            return
        self._callback(self.flux_handle, self, Message(handle=msg), self._args)

    def _refused(self, msg: wire.Message) -> bool:
        if self.rolemask is None or msg.type != wire.REQUEST:
            return False
        return not msg.rolemask & (self.rolemask | wire.ROLE_OWNER)
