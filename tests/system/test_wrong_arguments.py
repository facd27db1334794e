"""Wrong types given to the Python API: each public function says which argument is wrong, and
nothing is sent to the broker.

What is a text, a number, a time or a job id is read from the annotations, so that a new function
is among them.
"""

from __future__ import annotations

import inspect
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux import content, job, kvs
from flux.core.handle import INTERNAL, Flux
from flux.job.Jobspec import JobspecV1
from flux.job.kill import raise_async
from flux.job.purge import purge, purge_id
from flux.kvs_txn import Txn
from flux.message import MessageView
from flux.resource import list as resource_list
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WRONG: dict[str, tuple[object, ...]] = {
    "text": (5, None, 1.5, [], {}, object()),
    "texts": (5, None, 1.5, {}, [5], [None], object()),
    "integer": ("x", None, 1.5, [], {}, b"x", object(), 2**80, -(2**80)),
    "seconds": ("x", None, [], b"x", object(), float("nan"), 10**400),
    "job id": (None, 1.5, [], {}, -2, 2**64, "x", b"x", "", "\udcff", object(), float("inf")),
}
"""By what an argument is: the values that are not it."""

MESSAGE = MessageView.from_event_encode("topic")

GIVEN: dict[str, object] = {
    "txn": Txn().put("key", 1),
    "message": MESSAGE,
    "callback": print,
    "topic": "kvs.ping",
    "directory": "a",
    "data": b"x",
    "jobspec": JobspecV1.from_command(["true"]).dumps(),
    "jobids": [1],
    "annotations": {},
    "memo": {},
    "signal_int": 10,
    "path": "/tmp",
    "blobref": "sha1-" + "0" * 40,
}
"""Right values by the name of the argument; other texts are x, other numbers 1."""

CALLED = {
    "args": "a key",
    "attr_name": "attribute",
    "directory": "path",
    "exc_type": "type",
    "exception_type": "type",
    "fstring": "log message",
    "jobid": "job ?id",
    "jobid_str": "a job id",
    "key": "a key|path",
    "namespace": "namespace",
    "procid": "process id",
    "reason": "note",
    "resultid": "a result",
    "signum": "signal|signum",
    "source": "a key",
    "source_ns": "namespace",
    "stateid": "a state",
    "target": "a key",
    "target_namespace": "namespace",
    "target_ns": "namespace",
    "text": "sentence|text",
    "topic_glob": "topic",
    "userid": "user id",
    "value": "attribute",
}
"""What sentences call an argument, where that is not its name; a regular expression."""

LENIENT = {
    ("kvs.join", "args"),  # what is empty is left out
    ("kvs.is_symlink", "key"),  # it asks whether an object is one, of anything
    ("kvs.inner_walk", "curr_dir"),  # it is only shown
    ("Flux.periodic_watcher_create", "reschedule"),  # a function
}
"""Arguments that are no texts and numbers, whatever their annotation has in it."""

OURS = re.compile(
    r"has no (attribute|len)|not supported between|unhashable|codec|must be real|argument must"
    r"|cannot be interpreted|too large to|required argument|invalid literal|positional|iterable"
    r"|not JSON serializable|NoneType' object"
)
"""What only the language says."""


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public functions, and the methods of a handle, with their names."""
    for package, module in (("kvs", kvs), ("job", job)):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield f"{package}.{name}", found
    for found in (content.load, content.store, raise_async, purge, purge_id):
        yield found.__name__, found
    for found in (resource_list.resource_list, resource_list.resource_status):
        yield found.__name__, found
    for name, found in inspect.getmembers(Flux, inspect.isfunction):
        if not name.startswith("_") and name not in INTERNAL:
            yield f"Flux.{name}", found


def kind_of(param: inspect.Parameter) -> str | None:
    """Return what an argument is, by its annotation."""
    annotation = str(param.annotation)
    if "JobID" in annotation or param.name == "jobid":
        return "job id"
    if re.search(r"\bIterable\[Text\]", annotation):
        return "texts"
    if re.search(r"\bText\b", annotation) or annotation in ("str", "str | None"):
        return "text"
    if re.match(r"int\b", annotation):
        return "integer"
    return "seconds" if re.match(r"float\b", annotation) else None


def right(param: inspect.Parameter, handle: Flux) -> object:
    """Return a right value for an argument."""
    if param.name in ("flux_handle", "handle", "self"):
        return handle
    if param.default is not inspect.Parameter.empty and param.name != "flux_handle":
        return param.default
    usual = {"text": "x", "integer": 1, "seconds": 1.0, "job id": 1}
    return GIVEN.get(param.name, usual.get(kind_of(param) or ""))


CASES = [
    (name, function, param)
    for name, function in functions()
    for param in inspect.signature(function).parameters.values()
    if kind_of(param) and (name, param.name) not in LENIENT
]


class SpiedFlux(Flux):
    """A handle that counts what it sends."""

    sent = 0

    def send_wire(self, msg: Any, flags: int = 0) -> None:
        """Send, and count."""
        self.sent += 1
        super().send_wire(msg, flags)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        running.run("kvs", "put", "a.b=1")
        yield running


@pytest.fixture(scope="module")
def handle(instance: Instance) -> Iterator[SpiedFlux]:
    with SpiedFlux(instance.uri) as opened:
        opened.get_rank()
        yield opened


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """Have what waits after all fail."""
    old = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


def called(function: Callable[..., Any], param: inspect.Parameter, bad: object, h: Flux) -> object:
    """Call a function with right arguments but one."""
    words: list[object] = []
    named: dict[str, object] = {}
    for one in inspect.signature(function).parameters.values():
        value = bad if one.name == param.name else right(one, h)
        if one.kind is one.KEYWORD_ONLY:
            named[one.name] = value
        elif one.kind is not one.VAR_KEYWORD:
            words.append(value)
    return function(*words, **named)


@pytest.mark.parametrize(
    ("name", "function", "param"), CASES, ids=[f"{name}-{param.name}" for name, _, param in CASES]
)
def test_a_wrong_argument_is_named(
    handle: SpiedFlux, name: str, function: Callable[..., Any], param: inspect.Parameter
) -> None:
    optional = "None" in str(param.annotation)
    for bad in WRONG[kind_of(param) or ""]:
        if (bad is None and optional) or (name == "Flux.log" and param.name == "self"):
            continue
        before = handle.sent
        with pytest.raises((TypeError, ValueError, OSError)) as caught:
            called(function, param, bad, handle)
        sentence = str(caught.value)
        assert re.search(CALLED.get(param.name, param.name), sentence), (bad, sentence)
        assert not OURS.search(sentence), (bad, sentence)
        assert handle.sent == before, (bad, sentence)


@pytest.mark.parametrize("wrong", [None, 5, "x", b"x", object()])
def test_what_is_no_message_is_no_message(handle: SpiedFlux, wrong: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: handle.send(wrong),
        lambda: handle.rpc_message(wrong),
        lambda: handle.respond(wrong, {}),
        lambda: handle.respond_raw(wrong, b""),
        lambda: handle.respond_error(wrong, 2),
    ]
    before = handle.sent
    for call in calls:
        with pytest.raises(TypeError, match=r"^message must be a MessageView, not "):
            call()
    assert handle.sent == before


@pytest.mark.parametrize("wrong", [None, 5, "x", {}, []])
def test_what_is_no_transaction_is_no_transaction(handle: SpiedFlux, wrong: Any) -> None:
    before = handle.sent
    with pytest.raises(TypeError, match=r"^txn must be a transaction"):
        kvs.commit_txn(handle, wrong)
    if wrong is not None:  # none: what was put before
        with pytest.raises(TypeError, match=r"^txn must be a transaction"):
            kvs.commit_async(handle, txn=wrong)
    for fence in (kvs.fence, kvs.fence_async):
        with pytest.raises(TypeError, match=r"^txn must be a transaction"):
            fence(handle, "name", 1, wrong)
    assert handle.sent == before


def test_what_was_put_is_still_there_after_a_wrong_flag(handle: SpiedFlux) -> None:
    kvs.put(handle, "kept", 1)
    wrong: Any = "x"
    with pytest.raises(TypeError, match="flags must be an integer"):
        kvs.commit(handle, wrong)
    kvs.commit(handle)
    assert kvs.get(handle, "kept") == 1


def test_what_a_handle_shows_is_documented() -> None:
    for name in dir(flux.Flux):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(flux.Flux, name)), name


def test_many_functions_are_tried() -> None:
    assert len(CASES) > 150
    assert {kind_of(param) for _, _, param in CASES} == set(WRONG)
