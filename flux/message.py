"""Messages as the Python API shows them, and watchers for them (flux_msg_handler_create(3))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flux.constants import FLUX_MATCHTAG_NONE, FLUX_MSGTYPE_EVENT
from flux.core.interface import ReactorOwner
from flux.core.watchers import Watcher
from flux.wire import message as wire
from flux.wire.topic import matches

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = {1: "request", 2: "response", 4: "event", 8: "control"}


def msg_typestr(msg_type: int) -> str:
    """Return the name of a message type; raises ValueError for an unknown one."""
    if msg_type not in _NAMES:
        raise ValueError(f"{msg_type} is not a message type")
    return _NAMES[msg_type]


class MessageView:
    """A message, received or to be sent, as the Python API shows it; ``wire`` is its protocol
    form.
    """

    def __init__(
        self, type_id: int = FLUX_MSGTYPE_EVENT, handle: wire.Message | None = None
    ) -> None:
        self.wire = handle if handle is not None else wire.Message(type_id, flags=wire.ROUTE)

    @classmethod
    def from_event_encode(cls, topic: str, payload: object = None) -> MessageView:
        """Return an unpublished event; text is sent unmodified, any other payload as JSON."""
        return cls(handle=wire.event(topic, payload))

    @property
    def topic(self) -> str | None:
        """The topic."""
        return self.wire.topic

    @topic.setter
    def topic(self, value: str) -> None:
        self.wire.topic = value
        self.wire.flags |= wire.TOPIC

    @property
    def payload_str(self) -> str | None:
        """The payload as text, None without payload."""
        return None if self.wire.payload is None else self.wire.text()

    @payload_str.setter
    def payload_str(self, value: str) -> None:
        self.payload = value

    @property
    def payload(self) -> Any:
        """The payload as a JSON value, None without payload; raises ValueError if it is not
        JSON.
        """
        return self.wire.json()

    @payload.setter
    def payload(self, value: object) -> None:
        self.wire.payload = wire.encode_payload(value)
        if self.wire.payload is None:
            self.wire.flags &= ~wire.PAYLOAD
        else:
            self.wire.flags |= wire.PAYLOAD

    @property
    def type(self) -> int:
        """The message type, FLUX_MSGTYPE_*."""
        return self.wire.type

    @property
    def type_str(self) -> str:
        """The name of the message type."""
        return msg_typestr(self.wire.type)

    @property
    def seq(self) -> int:
        """The sequence number of a received event."""
        return self.wire.sequence


# The name in flux-core's bindings; in here `Message` is always that of RFC 3.
Message = MessageView


class MessageSource(ReactorOwner, Protocol):
    """What gives messages to watchers."""

    def add_message_watcher(self, watcher: MessageWatcher) -> None:
        """Give messages that ``watcher`` wants to it."""

    def remove_message_watcher(self, watcher: MessageWatcher) -> None:
        """Undo `add_message_watcher`."""


class MessageWatcher(Watcher):
    """Calls ``callback(handle, watcher, message, args)`` for each message that matches."""

    def __init__(
        self,
        flux_handle: MessageSource,
        type_mask: int,
        callback: Callable[..., object],
        topic_glob: str = "*",
        match_tag: int = FLUX_MATCHTAG_NONE,
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
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
        self._callback(self.flux_handle, self, Message(handle=msg), self._args)
