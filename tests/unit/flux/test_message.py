"""Messages as the Python API shows them."""

import pytest

from flux.constants import FLUX_MSGTYPE_EVENT, FLUX_MSGTYPE_REQUEST
from flux.message import Message, msg_typestr
from flux.wire import json


def test_the_class_goes_by_the_name_it_has_in_the_bindings() -> None:
    event = Message(FLUX_MSGTYPE_EVENT)
    assert (event.type, event.type_str) == (FLUX_MSGTYPE_EVENT, "event")
    assert (event.topic, event.payload, event.payload_str) == (None, None, None)


def test_topic_and_payload_can_be_set_and_taken_away() -> None:
    request = Message(FLUX_MSGTYPE_REQUEST)
    request.topic = "a.b"
    request.payload = {"one": 1}
    assert (request.topic, request.payload) == ("a.b", {"one": 1})
    assert request.payload_str == '{"one":1}'
    request.payload = None
    assert request.payload_str is None


def test_text_is_sent_as_it_is() -> None:
    event = Message.from_event_encode("a", "no JSON")
    assert event.payload_str == "no JSON"
    with pytest.raises(json.JSONDecodeError):
        _ = event.payload


def test_types_have_names_and_others_are_refused() -> None:
    assert [msg_typestr(kind) for kind in (1, 2, 4, 8)] == [
        "request",
        "response",
        "event",
        "control",
    ]
    with pytest.raises(ValueError, match="3 is not a message type"):
        msg_typestr(3)


def test_what_today_may_be_set() -> None:
    made = Message(1)
    made.type, made.userid, made.rolemask = 2, 7, 4
    assert (made.type_str, made.userid, made.rolemask) == ("response", 7, 4)
    with pytest.raises(ValueError, match="not a message type"):
        made.type = 3


def test_a_message_is_a_request_unless_it_says_otherwise() -> None:
    assert Message().type_str == "request"
