"""Requests that a broker of today's flux-core knows by another name."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.wire.message import NODEID_ANY
from fluxctl import modern

if TYPE_CHECKING:
    from flux.core.handle import Flux


class Answered:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get(self) -> Any:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


class Broker:
    """A handle of a broker that answers what it is given and knows nothing else."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {topic.replace("_", "."): answer for topic, answer in answers.items()}
        self.asked: list[tuple[str, Any]] = []

    def rpc(self, topic: str, payload: Any = None, nodeid: int = 0) -> Answered:
        self.asked.append((topic, payload))
        return Answered(self.answers.get(topic, OSError(errno.ENOSYS, "Unknown service method")))


def ask(broker: Broker, topic: str, payload: Any = None) -> Any:
    return modern.ask(cast("Flux", broker), topic, payload)


def test_a_broker_that_knows_the_older_form_is_asked_once() -> None:
    broker = Broker(broker_lsmod={"mods": []})
    assert ask(broker, "broker.lsmod") == {"mods": []}
    assert [topic for topic, _ in broker.asked] == ["broker.lsmod"]


def test_modules_are_listed_loaded_and_removed() -> None:
    mod = {"name": "kvs", "path": "/kvs.so", "idle": 1, "status": 1, "services": []}
    broker = Broker(module_list={"mods": [mod]}, module_load=None, module_remove=None)
    assert ask(broker, "broker.lsmod")["mods"] == [{**mod, "size": 0, "digest": ""}]
    ask(broker, "broker.insmod", {"path": "kvs", "args": ["a"]})
    assert broker.asked[-1] == ("module.load", {"path": "kvs", "args": ["a"], "exec": False})
    ask(broker, "broker.rmmod", {"name": "kvs"})
    assert broker.asked[-1] == ("module.remove", {"name": "kvs", "cancel": False})


def test_events_and_the_end_of_the_instance() -> None:
    broker = Broker(event_publish={"seq": 7}, shutdown_start=None)
    event = {"topic": "said", "flags": 0}
    assert ask(broker, "event.pub", event) == {"seq": 7}
    assert broker.asked[-1] == ("event.publish", event)
    ask(broker, "state-machine.shutdown", {})
    assert broker.asked[-1] == ("shutdown.start", {"loglevel": 0})


def test_statistics_of_any_service() -> None:
    broker = Broker()
    broker.answers = {"kvs.stats-get": {"n": 1}, "job-manager.stats-get": {"n": 2}}
    assert ask(broker, "kvs.stats.get") == {"n": 1}
    assert ask(broker, "job-manager.stats.get") == {"n": 2}


def test_the_switches_of_the_queue() -> None:
    broker = Broker()
    broker.answers = {
        "job-manager.queue-enable": None,
        "job-manager.queue-start": None,
        "job-manager.queue-status": {"enable": False, "disable_reason": "x", "start": True},
        "job-manager.alloc-query": {"queue_length": 3, "alloc_pending": 1, "running": 2},
    }
    off = {"query_only": False, "enable": False, "reason": "x"}
    answer = ask(broker, "job-manager.submit-admin", off)
    assert answer == {"enable": False, "reason": "x"}
    asked = ("job-manager.queue-enable", {"enable": False, "all": False, "reason": "x"})
    assert asked in broker.asked
    on = {"query_only": False, "enable": True, "reason": "", "nocheckpoint": True}
    found = ask(broker, "job-manager.alloc-admin", on)
    assert (found["enable"], found["reason"], found["queue_length"], found["running"]) == (
        True,
        "",
        3,
        2,
    )
    started = {"start": True, "all": False, "nocheckpoint": True}
    assert ("job-manager.queue-start", started) in broker.asked
    broker.asked.clear()
    ask(broker, "job-manager.submit-admin", {**off, "query_only": True})
    assert "job-manager.queue-enable" not in [topic for topic, _ in broker.asked]


def test_other_refusals_stand() -> None:
    broker = Broker()
    broker.answers = {"broker.lsmod": OSError(errno.EIO, "no"), "module.list": {"mods": []}}
    with pytest.raises(OSError, match="no") as caught:
        ask(broker, "broker.lsmod")
    assert caught.value.errno == errno.EIO
    with pytest.raises(OSError) as caught:
        ask(broker, "broker.unknown")
    assert caught.value.errno == errno.ENOSYS


def test_guests_are_refused_in_the_words_of_the_request_that_is_known() -> None:
    broker = Broker()
    known = OSError(errno.EPERM, "Request requires owner credentials")
    with pytest.raises(PermissionError, match="owner credentials"):
        modern.again(cast("Flux", broker), "broker.rmmod", {"name": "kvs"}, NODEID_ANY, known)
    broker.answers = {"module.list": {"mods": []}}
    found = modern.again(cast("Flux", broker), "broker.lsmod", {}, NODEID_ANY, known)
    assert found == {"mods": []}
