"""Modules that are classes of ``flux.brokermod``, in a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import flux
from flux.testing.instance import Instance, running_instance
from tests.system.watching import until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


MODULE = """
from flux.brokermod import BrokerModule, event_handler, request_handler


class Counter(BrokerModule):
    def __init__(self, h, *args):
        super().__init__(h, *args)
        self.seen = 0
        self.log.info("here")

    @request_handler("info")
    def info(self, message):
        told = {"name": self.name, "args": list(self.args), "seen": self.seen}
        self.handle.respond(message, told)

    @request_handler("counter.other", prefix=False)
    def other(self, message):
        self.handle.respond(message, {"other": True})

    @event_handler("tick")
    def tick(self, message):
        self.seen += 1

    @request_handler("fail")
    def fail(self, message):
        self.handle.respond(message, {})
        self.stop_error()
"""


def test_a_class_is_a_module_of_its_files_name(instance: Instance, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "counter.py"
    path.write_text(MODULE)
    assert instance.run("module", "load", str(path), "a", "b").stderr == ""
    with flux.Flux(instance.uri) as h:
        assert h.rpc("counter.info").get() == {"name": "counter", "args": ["a", "b"], "seen": 0}
        h.event_publish("counter.tick").get()
        until_equal(lambda: h.rpc("counter.info").get()["seen"], 1)
        assert h.rpc("counter.other").get() == {"other": True}
        h.rpc("counter.fail").get()
    until(lambda: "counter" not in instance.run("module", "list").stdout)
    log = instance.run("dmesg").stdout
    assert "counter.info[0]: here" in log
    assert "the reactor was stopped with an error" in log


def test_a_file_with_two_classes_says_so(instance: Instance, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(
        "from flux.brokermod import BrokerModule\n"
        "class A(BrokerModule): pass\nclass B(BrokerModule): pass\n"
    )
    told = instance.run("module", "load", str(path)).stderr
    assert f"{path}: multiple BrokerModule subclasses found (A, B); define mod_main()" in told
