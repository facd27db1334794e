"""What programs written for flux-core 0.88 call and give; what is expected here was seen there."""

from __future__ import annotations

import errno
from argparse import REMAINDER, Namespace
from typing import TYPE_CHECKING, Any

import pytest

import flux.constants
from flux.cli.argparse import FluxArgumentParser
from flux.constants import FLUX_RPC_NORESPONSE
from flux.future import Future
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.job import JobspecV1
from flux.job.validator.validator import ValidatorJobInfo
from flux.message import Message
from flux.resource.ResourceCount import ResourceCount
from flux.rpc import RPC
from flux.testing.scripted import ScriptedFlux
from flux.util import Fileref

if TYPE_CHECKING:
    import pathlib

PLUGIN = """
from flux.cli.plugin import CLIPlugin


class Mark(CLIPlugin):
    def __init__(self, prog):
        super().__init__(prog)
        self.add_option("--mark")

    def preinit(self, args):
        args.time_limit = "1m"

    def modify_jobspec(self, args, jobspec):
        jobspec.setattr("system.mark", [self.prog, args.mark])
"""


def made() -> JobspecV1:
    return JobspecV1.from_command(["true"])


def system(spec: JobspecV1) -> dict[str, object]:
    return dict((spec.attributes or {})["system"])


def test_library_objects_have_a_block() -> None:
    future = Future()
    future.fulfill(3)
    with future as entered, IDset("0-3") as ids, Hostlist("a[0-3]") as hosts, Message() as msg:
        assert entered.get() == 3
        assert (str(ids), str(hosts), msg.type_str) == ("0-3", "a[0-3]", "request")


def test_a_message_tells_its_parts() -> None:
    event = Message.from_event_encode("a.b", {"x": 1})
    assert event.decode() == (flux.constants.FLUX_MSGTYPE_EVENT, "a.b", '{"x":1}')
    assert Message.decode(event.encode()).topic == "a.b"
    with pytest.raises(OSError, match="no topic") as raised:
        Message().decode()
    assert raised.value.errno == errno.EPROTO


def test_all_constants_are_there_by_a_star() -> None:
    space: dict[str, object] = {}
    exec("from flux.constants import *", space)
    assert (space["FLUX_JOB_STATE_RUN"], space["FLUX_KVS_WATCH"]) == (16, 4)


def test_plugins_take_part_in_options(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mark.py").write_text(PLUGIN)
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH", str(tmp_path))
    plain = made().apply_options(env=["-*", "A=1"])
    assert "mark" not in system(plain)
    marked = made().apply_options(prog="run", ex_mark="here", env=["-*", "A=1"])
    assert system(marked)["mark"] == ["run", "here"]
    assert (marked.duration, marked.environment) == (60.0, {"A": "1"})
    given = Namespace(ex_mark="args", env=["-*"], rlimit=["-*"])
    late = made().apply_options(given, prog="submit", _preinit=False)
    assert system(late)["mark"] == ["submit", "args"]
    assert late.duration == 0
    for prog in (None, "run"):
        with pytest.raises(TypeError, match=r"got unexpected keyword argument.*'other'"):
            made().apply_options(prog=prog, other=1)


def test_options_have_hidden_names() -> None:
    parser = FluxArgumentParser(prog="x")
    parser.add_argument("--foo", hidden_aliases=["--bar"])
    group = parser.add_argument_group("G")
    group.add_argument("--goo", hidden_aliases=["--gar"], action="store_true")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--moo", hidden_aliases=["--mar"], action="store_true")
    either.add_argument("--baa", action="store_true")
    found = parser.parse_args(["--bar", "3", "--gar", "--mar"])
    assert vars(found) == {"foo": "3", "goo": True, "moo": True, "baa": False}
    assert not any(name in parser.format_help() for name in ("--bar", "--gar", "--mar"))
    with pytest.raises(SystemExit):
        parser.parse_args(["--mar", "--baa"])


def test_options_end_at_the_first_word() -> None:
    parser = FluxArgumentParser(prog="x", posix=True)
    parser.add_argument("-x")
    parser.add_argument("--flag", action="store_true")
    parse = parser.parse_known_args
    assert parse(["-x", "1", "a", "--flag"]) == (Namespace(x="1", flag=False), ["a", "--flag"])
    assert parse(["-x1", "--flag", "--", "b"]) == (Namespace(x="1", flag=True), ["--", "b"])
    assert parse(["-x"[:1], "--flag"])[1] == ["-", "--flag"]
    plain = FluxArgumentParser(prog="x", raw_description=True, description="a\n b", argwidth=20)
    plain.add_argument("words", nargs=REMAINDER)
    assert "a\n b" in plain.format_help()
    assert plain.parse_args(["a", "--flag"]).words == ["a", "--flag"]


def test_counts_show_themselves() -> None:
    shown = [repr(ResourceCount(1, None)), repr(ResourceCount(1, 5, [3, 1]))]
    assert shown == ["ResourceCount(1, None)", "ResourceCount(1, 5, values=[1, 3])"]


def test_whatever_is_told_of_a_job_to_validate() -> None:
    info = ValidatorJobInfo({"jobspec": {}, "extra": 5})
    assert info.extra == 5
    with pytest.raises(AttributeError, match="'nope'"):
        _ = info.nope


def test_callbacks_are_called() -> None:
    future = Future()
    nothing: Any = None
    with pytest.raises(ValueError, match="Callback cannot be None"):
        future.then(nothing)
    nothing = 5
    with pytest.raises(TypeError, match="a callback must be callable, not int"):
        future.then(nothing)


def test_nobody_waits_for_what_was_not_asked_for() -> None:
    sent = RPC(ScriptedFlux(), "a.b", flags=FLUX_RPC_NORESPONSE)
    with pytest.raises(OSError, match=r"a\.b was sent for no response") as raised:
        sent.get()
    assert raised.value.errno == errno.EINVAL


def test_what_is_no_id_and_no_encoding() -> None:
    with pytest.raises(ValueError, match="Invalid argument: True"):
        IDset(True)
    with pytest.raises(ValueError, match="invalid encoding: zz"):
        Fileref("abc", encoding="zz")
