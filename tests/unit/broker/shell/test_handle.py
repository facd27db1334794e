"""Each function of flux_shell_*(3), as plugins in Python have it."""

from __future__ import annotations

import errno
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from broker.shell import protocol
from broker.shell.guarding import call_guarded
from broker.shell.levels import ShellEnded, ShellFatal
from broker.shell.task import ShellTask
from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from tests.unit.broker.shell.shells import JOBID, handle

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.handle import ShellHandle
    from broker.shell.peer_rpc import ShellFuture
    from broker.shell.service_call import ServiceCall
    from broker.shell.task_handle import TaskHandle


def failing(code: int) -> pytest.RaisesExc[OSError]:
    return pytest.raises(OSError, check=lambda error: error.errno == code)


def messages(text: str) -> list[str]:
    return re.findall(r'"message":"(.*?)"', text)


# flux_shell_getenv(3), flux_shell_getopt(3)


def test_the_environment_of_the_job() -> None:
    shell, context, _ = handle()
    assert (shell.getenv("A"), shell.getenv("B")) == ("1", None)
    shell.setenv("B", 2)
    with failing(errno.EEXIST):
        shell.setenv("B", 3, overwrite=False)
    with failing(errno.EINVAL):
        shell.setenv("", 3)
    copy = shell.get_environ()
    assert copy == {"A": "1", "B": "2"}
    copy["C"] = "only here"
    shell.unsetenv("A")
    shell.unsetenv("never set")
    assert context.env == {"B": "2"}


def test_options_with_dots_are_members_of_objects() -> None:
    shell, context, _ = handle(options={"a": {"b": 1}})
    assert (shell.getopt("a.b"), shell.getopt("a"), shell.getopt("x")) == (1, {"b": 1}, None)
    shell.setopt("a.c.d", [1])
    shell.setopt("plain", "text")
    assert context.options == {"a": {"b": 1, "c": {"d": [1]}}, "plain": "text"}
    shell.setopt("a.c", None)
    shell.setopt("never.set", None)
    assert context.options == {"a": {"b": 1}, "plain": "text"}
    with failing(errno.EINVAL):
        shell.setopt("", 1)


# flux_shell_get_info(3), flux_shell_get_jobspec_info(3)


def test_facts_of_the_shell() -> None:
    shell, context, _ = handle(2, 3, rank=1)
    info = shell.get_info()
    assert (info["jobid"], info["rank"], info["size"], info["ntasks"]) == (JOBID, 1, 3, 6)
    assert info["service"] == f"7-shell-{JOBID}"
    assert info["options"] == {"verbose": False, "standalone": False}
    assert info["R"] is context.info.R
    assert info["jobspec"]["version"] == 1


def test_facts_of_a_rank() -> None:
    shell, _, _ = handle(2, 3, rank=1)
    assert shell.get_rank_info(2) == {
        "id": 2,
        "name": "host2",
        "broker_rank": 2,
        "ntasks": 2,
        "taskids": "4-5",
        "resources": {"core": "0-1", "cores": "0-1", "gpu": "0", "gpus": "0", "ncores": 2},
    }
    assert shell.get_rank_info() == shell.get_rank_info(-1) == shell.get_rank_info(1)
    for rank in (-2, 3):
        with failing(errno.EINVAL):
            shell.get_rank_info(rank)


def test_a_summary_of_the_jobspec() -> None:
    shell, _, _ = handle(2, 3)
    assert shell.get_jobspec_info() == {
        "version": 1,
        "ntasks": 6,
        "nslots": 6,
        "cores_per_slot": 1,
        "nnodes": 3,
        "slots_per_node": 2,
    }


# flux_shell_log(3)


def test_messages_at_the_levels_of_the_page() -> None:
    shell, context, recorder = handle()
    for say in (shell.trace, shell.debug, shell.log, shell.warn, shell.log_error):
        say(say.__name__)
    assert shell.err(errno.ENOENT, "no file") == -1
    context.peers.flush_entries()
    assert messages(recorder.log()) == [
        "log",
        "warn",
        "log_error",
        "no file: No such file or directory",
    ]
    assert '"component":"p","file":"test_handle.py"' in recorder.log()
    assert "flux-shell: ERROR: p: log_error" in recorder.log("exec")
    assert "WARN" not in recorder.log("exec")


def test_levels_everywhere_and_of_one_destination() -> None:
    shell, context, recorder = handle()
    levels: list[dict[str, object]] = []
    shell.add_handler("shell.log-setlevel", lambda _shell, _topic, args: levels.append(args))
    shell.set_verbose(2)
    shell.trace("one")
    shell.set_quiet(1)
    shell.log("two")
    shell.warn("three")
    shell.log_setlevel(4, "stderr")
    shell.warn("four")
    shell.log_setlevel(3, "eventlog")
    shell.warn("five")
    context.peers.flush_entries()
    assert messages(recorder.log()) == ["one", "three", "four"]
    assert recorder.log("exec").count("WARN") == 2
    assert [(one["level"], one["dest"]) for one in levels] == [
        (7, None),
        (4, None),
        (4, "stderr"),
        (3, "eventlog"),
    ]
    for level, destination in ((8, None), (-2, None), (3, "nosuch")):
        with failing(errno.EINVAL):
            shell.log_setlevel(level, destination)


def test_plugins_hear_what_is_logged_and_may_log_themselves() -> None:
    shell, context, recorder = handle()
    heard: list[object] = []

    def on_log(shell: ShellHandle, topic: str, args: dict[str, object]) -> None:
        heard.append((topic, args["level"], args["message"], args["component"]))
        shell.log("from the handler")

    shell.add_handler("shell.log", on_log)
    shell.warn("caf\udce9")
    context.peers.flush_entries()
    assert heard == [("shell.log", 4, r"caf\xe9", "p")]
    assert messages(recorder.log()) == ["from the handler", r"caf\\xe9"]


def test_a_handler_of_messages_that_fails_loses_none() -> None:
    shell, context, recorder = handle()
    shell.add_handler("shell.log", lambda *_: 1 / 0)
    shell.log("still there")
    context.peers.flush_entries()
    assert messages(recorder.log())[-1] == "still there"
    assert "ZeroDivisionError" in recorder.log()


def test_a_fatal_error_has_a_code() -> None:
    shell, _, _ = handle()
    with pytest.raises(ShellFatal, match="gone: No such file") as fatal:
        shell.die("gone", 3, errno.ENOENT)
    assert (fatal.value.code, fatal.value.component) == (3, "p")
    with pytest.raises(ShellFatal, match=r"^plain$") as fatal:
        shell.fatal("plain")
    assert fatal.value.code == 1


def test_exceptions_of_any_severity() -> None:
    shell, _, recorder = handle()
    shell.raise_exception("mine", 3, "a note")
    assert recorder.said == [protocol.RaiseException("mine", 3, "a note")]
    for kind, severity in (("mine", 8), ("mine", -1), ("two words", 0), ("", 0)):
        with failing(errno.EINVAL):
            shell.raise_exception(kind, severity, "")


# flux_shell_add_completion_ref(3), flux_shell_add_event_context(3), flux_shell_aux_set(3)


def test_references_are_counted_by_name() -> None:
    shell, context, _ = handle()
    assert [shell.add_completion_ref(name) for name in ("a", "a", "b")] == [1, 2, 1]
    for name in ("a", "b"):
        shell.remove_completion_ref(name)
    assert context.references
    shell.remove_completion_ref("a")
    assert not context.references
    with failing(errno.ENOENT):
        shell.remove_completion_ref("a")
    with failing(errno.EINVAL):
        shell.add_completion_ref("")


def test_context_of_the_two_events() -> None:
    shell, context, _ = handle()
    shell.add_event_context("shell.init", {"x": 1})
    shell.add_event_context("shell.start", {"y": [2]})
    assert (context.init_context, context.start_context) == ({"x": 1}, {"y": [2]})
    with failing(errno.EINVAL):
        shell.add_event_context("shell.exit", {"x": 1})


def test_data_is_freed_when_it_is_replaced_and_at_the_end() -> None:
    shell, context, _ = handle()
    freed: list[object] = []
    shell.aux_set("a", 1, freed.append)
    shell.aux_set("a", 2, freed.append)
    assert (shell.aux_get("a"), freed) == (2, [1])
    shell.aux_set("b", 3, freed.append)
    shell.aux_set("b", None)
    assert freed == [1, 3]
    with failing(errno.ENOENT):
        shell.aux_get("b")
    shell.aux_set(None, 4, freed.append)
    shell.aux_set("kept", 5)
    for last in context.on_end:
        last()
    assert freed == [1, 3, 2, 4]
    for name, value, free in ((None, None, None), ("a", None, freed.append), (None, 1, None)):
        with failing(errno.EINVAL):
            shell.aux_set(name, value, free)


# flux_shell_plugstack_call(3)


def test_topics_of_plugins() -> None:
    shell, _, _ = handle()

    def double(_shell: ShellHandle, topic: str, args: dict[str, object]) -> None:
        args["answer"] = [topic, args["value"]]

    shell.register("other", [("site.*", double)])
    args: dict[str, object] = {"value": 2}
    assert shell.plugstack_call("site.double", args) is args
    assert args["answer"] == ["site.double", 2]
    assert shell.plugstack_call("nobody.listens") == {}
    with failing(errno.EINVAL):
        shell.plugstack_call("")


def test_a_handler_that_fails_fails_the_call() -> None:
    shell, context, recorder = handle()
    shell.register("minus", [("one", lambda *_: -1)])
    shell.register("raises", [("two", lambda _shell, _topic, args: args["x"])])
    for topic in ("one", "two"):
        with failing(errno.EINVAL):
            shell.plugstack_call(topic)
    context.peers.flush_entries()
    assert messages(recorder.log()) == ["two: KeyError: 'x'"]
    assert '"component":"raises","file":"test_handle.py"' in recorder.log()
    assert context.plugins.current == ""


def test_what_is_to_end_the_shell_passes() -> None:
    shell, context, _ = handle()
    shell.add_handler("fatal", lambda *_: shell.die("so be it"))
    with pytest.raises(ShellFatal, match="so be it"):
        shell.plugstack_call("fatal")
    with failing(errno.EINVAL):
        call_guarded(context, "p", "no function", None)


def test_a_plugin_may_take_the_name_of_a_built_in_one() -> None:
    shell, context, _ = handle()

    class Pmi:
        name = "pmi"

    context.plugins.load(Pmi())
    shell.set_name("pmi")
    assert (shell.name, context.plugins.is_builtin("pmi")) == ("pmi", False)
    with failing(errno.EINVAL):
        shell.set_name("")


# flux_shell_current_task(3), flux_shell_task_get_info(3), flux_shell_task_subprocess(3)


def tasks(context: ShellContext, count: int) -> list[ShellTask]:
    made = [ShellTask(rank, rank, ["true"], {"E": "1"}) for rank in range(count)]
    context.tasks += made
    return made


def test_tasks_in_turn() -> None:
    shell, context, _ = handle()
    with failing(errno.EAGAIN):
        shell.task_first()
    assert shell.current_task() is None
    made = tasks(context, 2)
    first = shell.task_first()
    second = shell.task_next()
    assert second is not None
    assert [first.info()["rank"], second.info()["rank"]] == [0, 1]
    assert shell.task_next() is None
    context.current_task = made[1]
    assert shell.current_task() == second != first
    assert shell.tasks() == [first, second]
    assert len({first, second, shell.task_first()}) == 2


def test_a_handler_of_task_topics_gets_its_facts() -> None:
    shell, context, _ = handle()
    told: list[object] = []
    shell.add_handler("task.*", lambda _shell, topic, args: told.append((topic, args)))
    context.plugins.call("task.init", tasks(context, 1)[0])
    assert told == [("task.init", {"localid": 0, "rank": 0, "state": "Init"})]


def test_the_command_of_a_task() -> None:
    shell, context, _ = handle()
    made = tasks(context, 1)[0]
    cmd = shell.task_first().cmd
    cmd.argv[:] = ["sh", "-c", "exit 3"]
    cmd.setenv("X", 1)
    cmd.unsetenv("E")
    with failing(errno.EEXIST):
        cmd.setenv("X", 2, overwrite=False)
    assert (cmd.getenv("X"), cmd.getenv("E"), made.env) == ("1", None, {"X": "1"})
    assert made.argv == ["sh", "-c", "exit 3"]
    with failing(errno.EAGAIN):
        shell.task_first().subprocess()


def test_the_process_of_a_task() -> None:
    shell, context, _ = handle()
    made = tasks(context, 1)[0]
    made.argv = ["sleep", "60"]
    made.env = {"PATH": "/usr/bin:/bin"}
    made.start()
    process = shell.task_first().subprocess()
    assert (process.pid, process.state) == (made.pid, "Running")
    assert (process.status, process.exitcode, process.signaled) == (None, None, None)
    shell.killall(0)
    process.kill(signal.SIGTERM)
    _, made.status = os.waitpid(made.pid, 0)
    assert (process.state, process.status) == ("Exited", int(signal.SIGTERM))
    assert (process.exitcode, process.signaled) == (128 + 15, 15)
    with failing(errno.ENOENT):
        process.read("stdout")


def test_killall_reaches_all_tasks() -> None:
    shell, context, _ = handle()
    for made in tasks(context, 2):
        made.argv = ["sleep", "60"]
        made.env = {"PATH": "/usr/bin:/bin"}
        made.start()
    shell.killall(signal.SIGKILL)
    statuses = [os.waitpid(task.pid, 0)[1] for task in context.tasks]
    assert statuses == [9, 9]


# flux_shell_task_channel_subscribe(3)


def test_a_channel_of_a_plugin_goes_both_ways() -> None:
    shell, context, _ = handle()
    made = tasks(context, 1)[0]
    script = "read line <&$CHAN; echo got $line >&$CHAN; printf rest >&$CHAN"
    made.argv = ["bash", "-c", script]
    made.env = {"PATH": "/usr/bin:/bin"}
    task = shell.task_first()
    with failing(errno.ENOENT):
        task.channel_subscribe("CHAN", lambda *_: None)
    task.cmd.add_channel("CHAN")
    with failing(errno.EEXIST):
        task.cmd.add_channel("CHAN")
    got: list[bytes] = []

    def readable(task: TaskHandle, channel: str) -> None:
        process = task.subprocess()
        while line := process.getline(channel):
            got.append(line)
        if process.eof(channel):
            got.append(b"end")

    task.channel_subscribe("CHAN", readable)
    with failing(errno.EEXIST):
        task.channel_subscribe("CHAN", readable)
    assert made.holds == 1
    made.start()
    channel = made.channels["CHAN"]
    channel.handed_over()
    channel.watch(context.loop)
    task.subprocess().write("CHAN", b"hello\n")
    context.loop.run_until(lambda: made.holds == 0)
    assert got == [b"got hello\n", b"rest", b"end"]
    with failing(errno.EBUSY):
        task.cmd.add_channel("LATE")
    with failing(errno.ENOENT):
        task.output("stdout", b"x")
    _, made.status = os.waitpid(made.pid, 0)


# flux_shell_service_register(3), flux_shell_rpc_pack(3), flux_shell_add_event_handler(3)


def test_clients_and_shells_reach_a_method() -> None:
    shell, context, recorder = handle(2, 3)

    def echo(_shell: ShellHandle, request: ServiceCall) -> None:
        request.respond({"you": request.sender, "said": request.payload})

    shell.service_register("echo", echo)
    context.peers.receive(protocol.ServiceRequest(4, "echo", "hi", "client"))
    assert recorder.said == [protocol.ServiceAnswer(4, {"you": "client", "said": "hi"})]
    recorder.said.clear()
    asked = {"id": 9, "from": 2, "method": "echo", "payload": "ho"}
    context.peers.receive(protocol.Relayed("rpc", asked))
    answer = {"id": 9, "payload": {"you": "shell-2", "said": "ho"}, "errnum": 0, "text": None}
    assert recorder.said == [protocol.Relay(2, "rpc-answer", answer)]
    with failing(errno.EEXIST):
        shell.service_register("echo", echo)
    with failing(errno.EINVAL):
        shell.service_register("", echo)


def test_a_method_that_fails_answers_with_its_error() -> None:
    shell, context, recorder = handle()

    def refuses(_shell: ShellHandle, _request: ServiceCall) -> None:
        raise OSError(errno.EPERM, "not for you")

    shell.service_register("refuses", refuses)
    shell.service_register("broken", lambda *_: 1 / 0)
    shell.service_register("says", lambda _, request: request.respond_error(errno.ENODATA))
    for tag, method in enumerate(("refuses", "broken", "says", "nosuch")):
        context.peers.receive(protocol.ServiceRequest(tag, method, None, "c"))
    answers = [said for said in recorder.said if isinstance(said, protocol.ServiceAnswer)]
    assert [(one.errnum, one.text) for one in answers] == [
        (errno.EPERM, "not for you"),
        (errno.EINVAL, "method broken: ZeroDivisionError: division by zero"),
        (errno.ENODATA, "No data available"),
        (errno.ENOSYS, "Unknown service method"),
    ]


def test_a_request_to_another_shell() -> None:
    shell, context, recorder = handle(2, 3)
    future = shell.rpc("method", 2, {"a": 1})
    sent = {"id": 1, "from": 0, "method": "method", "payload": {"a": 1}}
    assert recorder.said == [protocol.Relay(2, "rpc", sent)]
    assert not future.is_ready()
    with failing(errno.ETIMEDOUT):
        future.get(0.001)
    answer = {"id": 1, "payload": "yes", "errnum": 0, "text": None}
    context.peers.receive(protocol.Relayed("rpc-answer", answer))
    context.peers.receive(protocol.Relayed("rpc-answer", answer | {"payload": "twice"}))
    assert future.get() == future.get() == "yes"
    told: list[object] = []
    future.then(lambda done: told.append(done.get()))
    assert told == ["yes"]
    for rank in (-1, 3):
        with failing(errno.EINVAL):
            shell.rpc("method", rank)


def test_a_stream_ends_with_its_error() -> None:
    shell, context, _ = handle(2, 2)
    told: list[object] = []

    def answered(future: ShellFuture) -> None:
        try:
            told.append(future.get())
        except OSError as error:
            told.append(error.strerror)

    shell.rpc("count", 1, flags=FLUX_RPC_STREAMING).then(answered)
    for payload in (1, 2):
        answer = {"id": 1, "payload": payload, "errnum": 0, "text": None}
        context.peers.receive(protocol.Relayed("rpc-answer", answer))
    end = {"id": 1, "payload": None, "errnum": errno.ENODATA, "text": "No data available"}
    context.peers.receive(protocol.Relayed("rpc-answer", end))
    context.peers.receive(protocol.Relayed("rpc-answer", end))
    assert told == [1, 2, "No data available"]


def test_a_shell_asks_itself() -> None:
    shell, context, recorder = handle()
    shell.service_register("echo", lambda _, request: request.respond([request.payload]))
    assert shell.rpc("echo", 0, 3).get(60) == [3]
    with failing(errno.ENOSYS):
        shell.rpc("nosuch", 0).get(60)
    assert not shell.rpc("echo", 0, flags=FLUX_RPC_NORESPONSE).is_ready()
    context.loop.turn()
    context.loop.turn()
    assert recorder.said == []


def test_the_wait_for_an_answer_ends_with_the_job() -> None:
    shell, context, _ = handle(2, 2)
    context.ended_by = int(signal.SIGTERM)
    with pytest.raises(ShellEnded):
        shell.rpc("method", 1).get()


def test_events_of_the_job() -> None:
    shell, context, _ = handle()
    told: list[object] = []
    shell.add_event_handler("mine", lambda _, topic, payload: told.append((topic, payload)))
    context.peers.receive(protocol.ShellEvent("mine", {"x": 1}))
    context.peers.receive(protocol.ShellEvent("other", {"x": 2}))
    assert told == [("mine", {"x": 1})]
    shell.add_event_handler("bad", lambda *_: 1 / 0)
    with pytest.raises(ShellFatal, match="event bad: ZeroDivisionError"):
        context.peers.receive(protocol.ShellEvent("bad"))
    with failing(errno.EINVAL):
        shell.add_event_handler("", lambda *_: None)


def test_timers_and_clients_that_leave() -> None:
    shell, context, _ = handle()
    told: list[object] = []
    shell.call_later(0, lambda: told.append("timer"))
    shell.call_later(0, lambda: told.append("never")).cancel()
    shell.on_disconnect(told.append)
    context.loop.turn()
    context.peers.receive(protocol.ClientGone("somebody"))
    assert told == ["timer", "somebody"]


def test_a_standalone_shell_has_no_broker() -> None:
    shell, context, _ = handle()
    context.standalone = True
    with failing(errno.ENOTCONN):
        shell.get_flux()
